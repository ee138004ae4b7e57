"""Reading run.json, the record of a training run beside its model."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_cabvit.data import evaluation_crop
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.run_fields import wrong_field

REMEDY = (
    "Restore it from a copy, move it elsewhere (a model.keras beside it is then scored without "
    "it), or choose another folder with --out."
)


def read_run(folder: str | os.PathLike, name: str = "run.json") -> dict | None:
    """Returns the content of a folder's run.json, or None if there is none.

    Any field may be missing or null. Those that are read somewhere have the type that they are
    written with, even in a file of another program or one that was edited.

    Args:
        folder: path.
        name: string, the file's name. Defaults to "run.json".

    Raises:
        ValueError: it is damaged; the message names the field.
    """
    path = local_path(folder) / name
    if not path.is_file():
        return None
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: it is not valid JSON ({error}). {REMEDY}") from error
    if not isinstance(run, dict):
        raise ValueError(f"{path} is damaged: it must hold a JSON object. {REMEDY}")
    wrong = wrong_field(run)
    if wrong is not None:
        raise ValueError(f"{path} is damaged: {wrong} {REMEDY}")
    return run


def first_run(folders: Iterable[Path]) -> tuple[dict | None, Path | None]:
    """Returns the content and the path of the first run.json in some folders, or None for both.

    Args:
        folders: paths.

    Raises:
        ValueError: it is damaged; the message names the field.
    """
    runs = ((read_run(folder), folder / "run.json") for folder in folders)
    return next((found for found in runs if found[0] is not None), (None, None))


def read_finished_run(folder: str | os.PathLike) -> dict:
    """Returns the content of the run.json of a finished run.

    Args:
        folder: path.

    Raises:
        FileNotFoundError: there is no run.
        ValueError: it is not finished, or damaged.
    """
    record = read_run(folder)
    if record is None:
        raise FileNotFoundError(
            f"There is no run in {folder}: it has no run.json.{sentence_on_runs_in(folder)}"
        )
    if not record.get("finished"):
        command = record.get("command")
        resumes = f" The command that started it resumes it: {command}" if command else ""
        raise ValueError(f"The run in {folder} has not finished.{resumes}")
    return record


def crop_of_run(run: dict | None, image_size: Sequence[int] | None = None) -> float | None:
    """Returns the centre crop of a run's evaluation, as a share of the image; None if unknown.

    Args:
        run: dict from `read_run`, or None.
        image_size: (height, width) of the model; None takes the recipe's.
    """
    recipe = (run or {}).get("recipe") or {}
    if "evaluation_crop" not in recipe:
        return None
    crop = recipe["evaluation_crop"]
    if crop is not None:
        return crop
    size = image_size or (recipe.get("model") or {}).get("image_size")
    return None if size is None else evaluation_crop(size)  # the authors'


def sentence_on_runs_in(folder: str | os.PathLike) -> str:
    """Returns a sentence, after a space, on the runs of several seeds in a folder; else nothing.

    Args:
        folder: path.
    """
    runs = sorted(file.parent for file in local_path(folder).glob("*/run.json"))
    return f" It holds several runs: give one of them, such as {runs[0]}." if runs else ""
