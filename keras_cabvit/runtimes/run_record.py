"""Reading run.json, the record of a training run beside its model."""

import json
import os
from collections.abc import Sequence

from keras_cabvit.data import evaluation_crop
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.stated_crop import is_crop

REMEDY = (
    "Restore it from a copy, or choose another folder with --out; a model.keras beside it is "
    "scored without it, by its path."
)


def read_run(folder: str | os.PathLike, name: str = "run.json") -> dict | None:
    """Returns the content of a folder's run.json, or None if there is none.

    Args:
        folder: path.
        name: string, the file's name. Defaults to "run.json".

    Raises:
        ValueError: it is damaged.
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
    return run


def crop_of_run(
    run: dict | None, model: str | os.PathLike, image_size: Sequence[int] | None = None
) -> float | None:
    """Returns the centre crop of a run's evaluation, as a share of the image; None if unknown.

    Args:
        run: dict from `read_run`, or None.
        model: path of the model that the record is beside, for messages.
        image_size: (height, width) of the model; None takes the recipe's.

    Raises:
        ValueError: the crop in the record is not a number above 0 and at most 1.
    """
    recipe = (run or {}).get("recipe") or {}
    if "evaluation_crop" not in recipe:
        return None
    crop = recipe["evaluation_crop"]
    if crop is None:  # the authors' crop
        size = image_size or (recipe.get("model") or {}).get("image_size")
        return None if size is None else evaluation_crop(size)
    if not is_crop(crop):
        raise ValueError(
            f"`evaluation_crop` in the run.json beside {model} must be a number above 0 and at "
            f"most 1. It is {crop!r}. {REMEDY}"
        )
    return crop
