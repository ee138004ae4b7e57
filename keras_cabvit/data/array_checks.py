"""Checks of images and labels that come as arrays."""

from typing import Any

import numpy as np

# Resizing with negative weights exceeds the range by less than this share of it.
_OVERSHOT = 0.25
# Larger values are not clipped: they are those of 12 or 16 bits.
_MOST = 1023


def check_pixels(images: np.ndarray, name: str) -> None:
    """Raises a ValueError unless images have pixels in [0, 255].

    Args:
        images: array (count, height, width, channels) with at least one image.
        name: name of the images in error messages, at the beginning of a sentence.
    """
    if not np.issubdtype(images.dtype, np.integer) and not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"{name} must have pixels in [0, 255], as uint8 or float. Received: {images.dtype}"
        )
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 255):  # also false if either is NaN
        raise ValueError(
            f"{name} must have pixels in [0, 255]. Received: values from {low} to {high}"
        )
    if high <= 1 and high > low:
        raise ValueError(
            f"{name} must have pixels in [0, 255]. Received: none above 1; if they are "
            "scaled to [0, 1], multiply them by 255"
        )


def check_not_scaled(images: Any) -> None:
    """Raises a ValueError if images have other pixels than those in [0, 255]: scaled or normalised.

    Refused are NaN, images scaled to [0, 1] or [-1, 1], those of which a mean was subtracted, those
    of 16 bits, and arrays of no real numbers, such as masks of bool. Unlike `check_pixels`, it
    accepts dark images and pixels that resizing pushed out of [0, 255].

    Args:
        images: array (count, height, width, channels).
    """
    images = np.asarray(images)
    if images.dtype == np.uint8 or not images.size:
        return
    wanted = "`images` must have pixels in [0, 255]. Received: "
    if images.dtype.kind == "V":  # bfloat16 and the like, which numpy does not know as numbers
        images = images.astype("float32")
    if images.dtype.kind not in "uif":
        raise ValueError(f"{wanted}{images.dtype}")
    low, high = float(images.min()), float(images.max())
    if np.isnan(low):
        raise ValueError(f"{wanted}NaN")
    received = f"{wanted}values from {low:.4g} to {high:.4g}"
    # An image that is almost black has only integers.
    if low >= -1 and high <= 1 and (images != np.rint(images)).any():
        raise ValueError(f"{received}, as of images scaled to [0, 1] or [-1, 1]")
    if low < -_OVERSHOT * max(high, 0):
        raise ValueError(f"{received}, as of images of which a mean was subtracted")
    if high > _MOST:
        raise ValueError(f"{received}, as of images of more than 8 bits")


def check_labels(labels: np.ndarray, images: int, classes: int | None) -> None:
    """Raises a ValueError unless labels are one integer per image, the number of its class.

    Args:
        labels: array.
        images: integer, the number of images.
        classes: integer, the number of classes; None if it is unknown.
    """
    wanted = f"`labels` must be {images} integers, the class of each image"
    if classes is not None:
        wanted += f" from 0 to {classes - 1}"
    if labels.shape == (images, classes) and classes != 1:
        raise ValueError(
            f"{wanted}. Received: shape {labels.shape}, as of one-hot labels; take their "
            "`argmax(axis=1)`"
        )
    if labels.dtype.kind in "USO":
        raise ValueError(f"{wanted}, not its name. Received: {labels.dtype}")
    if labels.shape != (images,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{wanted}. Received: {labels.dtype} of shape {labels.shape}")
    if labels.size and (labels.min() < 0 or (classes is not None and labels.max() >= classes)):
        raise ValueError(f"{wanted}. Received: {labels.min()} to {labels.max()}")
