"""`python -m training evaluate`: scores trained models in any form."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tqdm import tqdm

from keras_cabvit.atomic_files import check_writable, write_text_atomically
from training.commands.parsing import parsed
from training.compare import compare
from training.evaluate import evaluate
from training.evaluation.model_score import ModelScore
from training.evaluation.predictions_file import write_predictions
from training.report.score_table import score_table


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Scores a run's folder, a .keras file, a SavedModel directory, or a .tflite or .onnx file.

    Attributes:
        model: path of the model.
        data: "tfds:NAME", "folder:PATH", "fashion_mnist" or "elpv"; by default the data that the
            run was trained on.
        compare: score these side by side in one table, and compare each with the first.
        split: the images to score; if the data has no test images, test means validation.
        out: folder for report.md and its pictures, of one model; not that of a run, whose report
            would be replaced.
        json: .json file for the scores.
        predictions: CSV file for the predictions of one model: name, class, predicted class and all
            probabilities of every image.
        image_size: (height, width) in pixels, for a model that takes any size.
        crop: side of the centre crop as a share of the image; by default the one that
            the model states, else the run's.
        batch_size: images at a time.
        classes_by_position: take the data's classes in the model's order, whatever their names; by
            default they are matched by name.
        labels: table with the columns file, class and optionally split, for a folder's images.
    """

    model: Annotated[Path | None, tyro.conf.Positional] = None
    compare: tuple[Path, ...] = ()
    data: str | None = None
    split: Literal["test", "validation", "training", "all"] = "test"
    out: Path | None = None
    json: Path | None = None
    predictions: Path | None = None
    image_size: tuple[int, int] | None = None
    crop: float | None = None
    batch_size: int = 64
    classes_by_position: bool = False
    labels: Annotated[Path | None, tyro.conf.arg(name="data.labels")] = None


def run(arguments: list[str]) -> None:
    """Scores one model, or several side by side, and prints a table.

    Args:
        arguments: list of strings, those after `evaluate`.
    """
    options = parsed(Evaluate, "evaluate", arguments)
    paths = [path for path in (options.model, *options.compare) if path is not None]
    if not paths:
        raise ValueError("Give a model to score, or several after --compare.")
    if options.out is not None and len(paths) > 1:
        raise ValueError("--out is for one model; --compare writes its scores with --json.")
    if options.predictions is not None and len(paths) > 1:
        raise ValueError("--predictions is for one model; evaluate each by itself.")
    if options.predictions is not None and options.predictions.suffix.lower() != ".csv":
        raise ValueError(
            f"--predictions writes CSV and must end in .csv. Received: {options.predictions}"
        )
    for option, path in (("--predictions", options.predictions), ("--json", options.json)):
        if path is not None and path.is_dir():
            raise ValueError(f"{option} must be a file. {path} is a folder.")
    if options.json is not None and options.json.suffix.lower() != ".json":
        raise ValueError(f"--json writes a file that must end in .json. Received: {options.json}")
    report = None if options.out is None else options.out / "report.md"
    for path in (options.predictions, options.json, report):
        if path is not None:
            check_writable(path)
    rows: tuple[ModelScore, ...]
    with _Bar() as progress:
        settings: dict[str, Any] = {
            "image_size": options.image_size,
            "crop": options.crop,
            "batch_size": options.batch_size,
            "classes_by_position": options.classes_by_position,
            "labels": options.labels,
            "progress": progress,
        }
        if len(paths) == 1:
            result = evaluate(paths[0], options.data, options.split, options.out, **settings)
            rows, notes = (result.as_row(),), (result.note, *result.notes)
            if options.predictions is not None:
                write_predictions(result, options.predictions)
        else:
            compared = compare(paths, options.data, options.split, **settings)
            rows, notes = compared.rows, (compared.note, *compared.notes)
    if options.json is not None:
        text = json.dumps([dataclasses.asdict(row) for row in rows], indent=2) + "\n"
        write_text_atomically(options.json, text)
    print(score_table(rows))
    print("\n" + "\n".join(notes))
    if options.out is not None:
        print(f"The report is in {options.out / 'report.md'}.")
    if options.predictions is not None:
        print(f"The predictions are in {options.predictions}.")


class _Bar:
    """A progress bar of the images, drawn only in a terminal."""

    def __init__(self) -> None:
        self._bar = tqdm(unit="image", leave=False, disable=None)

    def __enter__(self) -> Callable[[int, int], None]:
        return self._show

    def _show(self, done: int, total: int) -> None:
        if done < self._bar.n:
            self._bar.reset()
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def __exit__(self, *_: Any) -> None:
        self._bar.close()
