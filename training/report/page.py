"""Writes how well a model does, as a page with pictures that a person can look at."""

import os
import shutil
from pathlib import Path

from training.report.classes import classes, confusion
from training.report.figures.confusion import draw_confusion
from training.report.figures.curves import draw_curves
from training.report.figures.mistakes import draw_mistakes
from training.report.figures.reliability import draw_reliability
from training.report.images import broken_images, mistakes
from training.report.scores import calibration, summary
from training.report.training_run import curves, origin


def write_report(folder, evaluation, history=None, run=None, broken_names=None):
    """Writes `report.md` and its pictures.

    Files of an earlier report are replaced when all of the new ones are written.

    Args:
        folder: to write into; made if it is not there.
        evaluation: `training.evaluate.Evaluation`.
        history: list of dicts, one an epoch, as `draw_curves` takes it; None or an empty one leaves
            the curves out.
        run: dict, the content of run.json, of which any key may be missing; None leaves out how the
            model was made. `test_note`, a sentence, says how often its test images were scored;
            `seconds` how long training took, and `epoch` which epoch's weights these are.
        broken_names: names of training and validation images that cannot be read; None takes
            `broken_images` of `run`.

    Returns:
        The path of `report.md`.

    Raises:
        OSError: the folder cannot be written to, or the disk is full. An earlier report is as it
            was.
    """
    folder, run = Path(folder), run or {}
    if broken_names is None:
        broken_names = run.get("broken_images", ())
    scores, names = evaluation.scores, evaluation.class_names
    partial = folder / f".report.{os.getpid()}.partial"
    try:
        partial.mkdir(parents=True)
        text = [summary(evaluation, run)]
        if history:
            draw_curves(history, partial / "curves.png")
            text.append(curves(history, run))
        draw_confusion(scores.confusion, names, partial / "confusion.png")
        text.append(confusion(scores, names))
        text.append(classes(scores, names))
        draw_reliability(scores.calibration, partial / "calibration.png")
        text.append(calibration(scores))
        if evaluation.mistakes:
            draw_mistakes(evaluation.mistakes, names, partial / "mistakes.png")
        text.append(mistakes(evaluation))
        text.append(broken_images(evaluation, broken_names))
        text.append(origin(evaluation, run))
        (partial / "report.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")
        # The page last: when it is new, its pictures are.
        written = sorted(partial.iterdir(), key=lambda file: file.name == "report.md")
        for file in written:
            os.replace(file, folder / file.name)
    except OSError as error:
        raise OSError(
            error.errno,
            f"The report could not be written to {folder}: {error.strerror or error}. An earlier "
            "one there is as it was",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder / "report.md"
