"""The centre crop of images in evaluation: its side as a share of the image."""

from numbers import Real


def evaluation_crop(size):
    """Returns the side of the authors' centre crop for evaluation, as a share of the image.

    Args:
        size: (height, width) of the model in pixels.

    Returns:
        0.875, which is 224/256, below 384 pixels, else 1.
    """
    return 0.875 if min(size) < 384 else 1.0


def is_crop(value):
    """Returns whether a value is the side of a crop as a share of the image: in (0, 1]."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) <= 1


def check_crop(crop):
    """Raises a ValueError if a crop, which may be None, is not a share of the image."""
    if crop is not None and not is_crop(crop):
        raise ValueError(f"`crop` must be above 0 and at most 1. Received: crop={crop!r}")
