"""The files that a run ends with: model, labels, report and the finished record."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from keras_cabvit.atomic_files import atomic_path, write_text_atomically
from keras_cabvit.data.labels import LABELS, labels_text
from keras_cabvit.data.listed import listed
from keras_cabvit.figures.names import without_controls
from keras_cabvit.runtimes.keras_statements import add_statements
from keras_cabvit.runtimes.run_record import read_run
from training.data.data_set import DataSet
from training.evaluation.result import Evaluation
from training.optimization.compiled_model import precision
from training.recipes.model import build_model
from training.recipes.recipe import Recipe
from training.run.checkpoints import CheckpointFolder
from training.run.folder import write_record

# Without one of these a run is not finished, whatever its run.json says.
_RESULTS = ("model.keras", LABELS, "report.md")


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """The outcome of the training steps.

    Attributes:
        weights: list of arrays, the weights of the model in Keras' order.
        epoch: integer, the epoch that they come from.
        rows: list of dicts, the scores of every epoch.
        seconds: float, the duration of training.
        broken_names: names of images that cannot be read.
        early_stop: a sentence on a run that was stopped early; empty for others.
    """

    weights: Sequence[np.ndarray]
    epoch: int
    rows: list[dict]
    seconds: float
    broken_names: list[str]
    early_stop: str = ""


def write_results(
    folder: Path,
    recipe: Recipe,
    data_set: DataSet,
    trained: Trained,
    evaluate: Callable[..., Evaluation],
) -> dict:
    """Writes the model and its labels, scores it and writes the report.

    Args:
        folder: path of the run's folder.
        recipe: `Recipe`.
        data_set: `DataSet`.
        trained: `Trained`.
        evaluate: function of a folder and a `DataSet` that scores the model.

    Returns:
        The finished run's record, as it is in run.json.
    """
    from training.report.page import write_report  # which draws with matplotlib

    with precision("float32"):
        model = build_model(recipe.model, len(data_set.class_names))
    model.set_weights(trained.weights)
    write_text_atomically(folder / LABELS, labels_text(data_set.class_names))
    with atomic_path(folder / "model.keras") as partial:
        model.save(partial)
        add_statements(
            partial, data_set.class_names, recipe.model.image_size, recipe.effective_crop
        )
    evaluation = evaluate(folder, data_set)
    record = (read_run(folder) or {}) | {
        "test_note": _test_note(recipe, data_set),
        "broken_images": trained.broken_names,
        "seconds": trained.seconds,
        "epoch": trained.epoch,
        "early_stop": trained.early_stop,
    }
    write_report(folder, evaluation, trained.rows, record, trained.broken_names)
    record["scores"] = dataclasses.asdict(evaluation.as_row())
    if evaluation.refusal is not None:
        record["none_of_these"] = evaluation.refusal.as_record()
    record["finished"] = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    write_record(folder, record)
    print(f"\nThe report is in {folder / 'report.md'}.")
    if trained.broken_names:
        print(
            f"Not readable, and left out: {listed(map(without_controls, trained.broken_names), 3)}."
        )
    return record


def is_finished(record: dict | None, folder: Path) -> bool:
    """Returns whether a run is finished and its results are there.

    A run whose results were removed counts as unfinished if it has a checkpoint to write them from.

    Args:
        record: dict, its run.json, or None.
        folder: path of its folder.

    Raises:
        ValueError: results were removed, and there is no checkpoint.
    """
    if record is None or not record.get("finished"):
        return False
    missing = [name for name in _RESULTS if not (folder / name).is_file()]
    if not missing:
        return True
    if CheckpointFolder(folder / "checkpoints"):
        return False
    remedy = (
        f"`python -m training evaluate {folder} --out {folder}` writes the report again."
        if missing == ["report.md"]
        else f"Restore it; or, to train again, remove {folder / 'run.json'}, or choose another "
        "folder with --out."
    )
    raise ValueError(
        f"The run in {folder} is finished, but {missing[0]} was removed, and there is no "
        f"checkpoint. {remedy}"
    )


def _test_note(recipe: Recipe, data_set: DataSet) -> str:
    if data_set.test is None:
        return ""  # the evaluation says that these are the validation images
    chosen = "choose the weights" if recipe.select == "best" else "monitor training"
    return (
        "In this run the test images were scored once, at its end; only the validation images "
        f"were used to {chosen}."
    )
