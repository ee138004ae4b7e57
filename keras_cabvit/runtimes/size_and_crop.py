"""Size and crop of the images that a model is given."""

from collections.abc import Sequence

from keras_cabvit.data import evaluation_crop
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
        ValueError: the model takes another size, or any, and none is given.
    """
    size = model.image_size or image_size
    if size is None:
        raise ValueError(f"{model.path} takes images of any size: choose one with `image_size`.")
    height, width = size
    size = (height, width)
    if image_size is not None and tuple(image_size) != size:
        raise ValueError(
            f"`image_size` must be {size[0]}x{size[1]}, which is what {model.path} takes. "
            f"Received: {image_size[0]}x{image_size[1]}"
        )
    crops = [crop, *(opened.evaluation_crop for opened in (model, *others))]
    known = [value for value in crops if value is not None]
    notes = list(model.notes)
    if known:
        return size, known[0], notes
    crop = evaluation_crop(size)
    notes.append(
        f"Neither {model.path} nor a run.json beside it says how images are cropped: "
        f"{describe_crop(crop)}."
    )
    return size, crop, notes


def describe_crop(crop: float) -> str:
    """Returns a clause that says how images were cropped."""
    if crop == 1:
        return "the whole images were resized"
    return f"the centre, {crop:.1%} of a side, was cut out"
