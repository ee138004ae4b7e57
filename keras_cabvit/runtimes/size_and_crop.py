"""Size and crop of the images that a model is given."""

from collections.abc import Sequence

import numpy as np

from keras_cabvit.data import evaluation_crop
from keras_cabvit.models.arguments import check_integer_sequence
from keras_cabvit.runtimes.opened_model import OpenedModel


def size_and_crop(
    model: OpenedModel,
    image_size: tuple[int, int] | None = None,
    crop: float | None = None,
    others: Sequence[OpenedModel] = (),
) -> tuple[tuple[int, int], float, list[str]]:
    """Returns the size and crop of a model's images.

    Args:
        model: `OpenedModel`.
        image_size: (height, width), or None for the model's own.
        crop: side of the centre crop as a share of the image; None for the model's or its run's.
        others: further `OpenedModel`s, whose crop is taken if the model's is unknown.

    Returns:
        (height, width), the crop, and a list of sentences on assumptions about it and the pixels.

    Raises:
        ValueError: the model takes another size; or any, and none is given, or one whose sides are
            not positive integers.
    """
    size = model.image_size
    if size is None:
        if image_size is None:
            raise ValueError(
                f"{model.path} takes images of any size: choose one with `image_size`."
            )
        sides = np.asarray(image_size).tolist()  # NumPy's integers too
        check_integer_sequence("image_size", sides, 2)
        height, width = sides
        size = (height, width)
    elif image_size is not None and tuple(image_size) != size:
        raise ValueError(
            f"`image_size` must be {size[0]}x{size[1]}, which is what {model.path} takes. "
            f"Received: {image_size[0]}x{image_size[1]}"
        )
    crops = [crop, *(opened.evaluation_crop for opened in (model, *others))]
    known = [value for value in crops if value is not None]
    notes = list(model.notes)
    if known:
        return size, known[0], notes
    crop, note = assumed_crop(size, model.path, "a run.json beside it")
    return size, crop, [*notes, note]


def assumed_crop(size: tuple[int, int], model: object, record: str) -> tuple[float, str]:
    """Returns the crop for images of which no crop is stated, and a sentence that says so.

    Args:
        size: (height, width) in pixels.
        model: path of the model, for the sentence.
        record: string, what else could have stated the crop, for the sentence.
    """
    crop = evaluation_crop(size)
    sentence = f"Neither {model} nor {record} says how images are cropped: {describe_crop(crop)}."
    return crop, sentence


def describe_crop(crop: float) -> str:
    """Returns a clause that says how images were cropped."""
    if crop == 1:
        return "the whole images were resized"
    return f"the centre, {crop:.1%} of a side, was cut out"
