"""Centre crop of the evaluation, as a model states it: a small JSON file inside the model.

A SavedModel has the file in `assets/`, a .keras file in its archive, a .tflite file in that of its
metadata, and an .onnx file as an entry of its metadata:
`{"image_size": [height, width], "evaluation_crop": crop}`, in pixels and as a share of the image.
"""

import json
from collections.abc import Sequence
from typing import Any

from keras_cabvit.data.crops import is_crop

CROP_FILE = "evaluation_transform.json"


def crop_statement(image_size: Sequence[int], crop: float) -> str:
    """Returns the content of the file for a model's (height, width) in pixels and its crop."""
    height, width = (int(side) for side in image_size)
    content = {"image_size": [height, width], "evaluation_crop": float(crop)}
    return json.dumps(content, indent=2) + "\n"


def stated_crop(content: bytes, source: object, image_shape: Sequence[int | None]) -> float:
    """Returns the crop that an export states.

    Args:
        content: bytes of the file.
        source: the export's path, for messages.
        image_shape: (height, width, channels) of the model; None for a side of any size.

    Raises:
        ValueError: the content is damaged, absurd, or that of another model.
    """
    where = f"{CROP_FILE} in {source}"
    remedy = "Export the model again."
    try:
        stated = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is damaged: it is not valid JSON ({error}). {remedy}") from error
    if not isinstance(stated, dict):
        raise ValueError(f"{where} is damaged: it must hold a JSON object. {remedy}")
    crop: Any = stated.get("evaluation_crop")
    if not is_crop(crop):
        raise ValueError(
            f"`evaluation_crop` in {where} must be a number above 0 and at most 1. It is {crop!r}. "
            f"{remedy}"
        )
    size: Any = stated.get("image_size")
    own = list(image_shape[:2])
    listed = isinstance(size, list) and len(size) == 2
    if not listed or any(side not in (None, given) for side, given in zip(own, size, strict=True)):
        raise ValueError(
            f"`image_size` in {where} must be {own}, the height and width that the model takes. It "
            f"is {size!r}. {remedy}"
        )
    return float(crop)


def preferred_crop(
    source: object,
    stated: float | None,
    otherwise: float | None,
    other: str = "the run.json beside it",
) -> tuple[float | None, tuple[str, ...]]:
    """Returns the crop that a model states, else another one, and sentences on a difference.

    Args:
        source: path of the model, for the sentence.
        stated: the crop that it states; None if it states none.
        otherwise: the other crop, or None.
        other: what states the other crop, for the sentence.
    """
    if stated is None:
        return otherwise, ()
    if otherwise in (None, stated):
        return stated, ()
    return stated, (
        f"{source} states the centre crop {stated:g}; {other} states {otherwise:g}, which is not "
        "used.",
    )
