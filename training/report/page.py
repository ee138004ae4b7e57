"""Writes the scores of a model as a page with pictures."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_cabvit.atomic_files import (
    DISK_FULL,
    is_disk_full,
    temporary_path,
    write_text_atomically,
)
from keras_cabvit.figures.fonts import drawing_note
from keras_cabvit.paths import local_path
from training.evaluation.result import Evaluation
from training.evaluation.suspects import suspects_as_csv
from training.report.classes import classes, confusion
from training.report.duplicates import duplicates, duplicates_as_csv
from training.report.figures.confusion import draw_confusion
from training.report.figures.curves import draw_curves
from training.report.figures.mistakes import draw_mistakes
from training.report.figures.reliability import draw_reliability
from training.report.figures.suspects import draw_suspects
from training.report.images import broken_images, mistakes, suspects
from training.report.markdown import escaped
from training.report.scores import calibration, none_of_these, summary
from training.report.training_run import curves, origin

# Files that only some reports have; those of an earlier report are removed.
_OPTIONAL = ("mistakes.png", "labels_to_check.png", "labels_to_check.csv", "duplicates.csv")


def write_report(
    folder: str | os.PathLike,
    evaluation: Evaluation,
    history: list[dict] | None = None,
    run: dict | None = None,
    broken_names: Sequence[str] | None = None,
) -> Path:
    """Writes `report.md` and its pictures.

    Files of an earlier report are replaced once all new ones are written.

    Args:
        folder: folder to write into; created if necessary.
        evaluation: `Evaluation`.
        history: list of dicts, one per epoch, as `draw_curves` takes it; None or an empty one
            omits the curves.
        run: dict, the content of run.json, of which any key may be missing; None omits the
            section on training. `test_note` is a sentence on the scoring of the test images,
            `seconds` the training time, and `epoch` the epoch of the weights.
        broken_names: names of training and validation images that cannot be read; None takes
            `broken_images` of `run`.

    Returns:
        The path of `report.md`.

    Raises:
        OSError: the folder cannot be written to, or the disk is full. An earlier report is
            unchanged.
    """
    folder, run = local_path(folder, "folder"), run or {}
    if broken_names is None:
        broken_names = run.get("broken_images", ())
    scores, names = evaluation.scores, evaluation.class_names
    # Hidden in the folder, so that renaming its files is all that is left to do at the end.
    with _clear_error(folder), temporary_path(folder / "report", named=folder) as partial:
        partial.mkdir()
        text = [summary(evaluation, run)]
        if history:
            draw_curves(history, partial / "curves.png")
            text.append(curves(history, run))
        draw_confusion(scores.confusion, names, partial / "confusion.png")
        text.append(confusion(scores, names))
        text.append(escaped(drawing_note(names)))
        text.append(classes(scores, names, evaluation.training_counts))
        draw_reliability(scores.calibration, partial / "calibration.png")
        text.append(calibration(scores))
        text.append(none_of_these(evaluation))
        if evaluation.mistakes:
            draw_mistakes(evaluation.mistakes, names, partial / "mistakes.png")
        text.append(mistakes(evaluation))
        if evaluation.suspects:
            pictured = [each for each in evaluation.suspects if each.image is not None]
            draw_suspects(pictured, names, partial / "labels_to_check.png")
            table = suspects_as_csv(evaluation.suspects, names)
            write_text_atomically(partial / "labels_to_check.csv", table)
        text.append(suspects(evaluation))
        text.append(duplicates(evaluation.duplicates))
        if evaluation.duplicates.groups:
            table = duplicates_as_csv(evaluation.duplicates)
            write_text_atomically(partial / "duplicates.csv", table)
        text.append(broken_images(evaluation, broken_names))
        text.append(origin(evaluation, run))
        write_text_atomically(partial / "report.md", "\n\n".join(filter(None, text)) + "\n")
        # The page last: a new page has new pictures.
        written = sorted(partial.iterdir(), key=lambda file: file.name == "report.md")
        for file in written:
            os.replace(file, folder / file.name)
        for name in {*_OPTIONAL} - {file.name for file in written}:
            (folder / name).unlink(missing_ok=True)
    return folder / "report.md"


@contextlib.contextmanager
def _clear_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        reason = DISK_FULL if is_disk_full(error) else f"{reason}."
        clear = OSError(
            f"The report could not be written to {folder}: {reason} An earlier one there is "
            "unchanged."
        )
        clear.errno = error.errno
        raise clear from error
