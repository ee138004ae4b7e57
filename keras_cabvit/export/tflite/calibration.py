"""Images that determine the ranges of a quantised model's activations."""

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cabvit.data.array_checks import check_pixels
from keras_cabvit.data.folders.image_folder import images_of_folder
from keras_cabvit.data.image_files import read_images, unreadable_sentence
from keras_cabvit.paths import local_path

LEAST = 16
MOST = 256
# What `tf.data.Dataset.cardinality` returns of a data set without an end.
_INFINITE = -1


def calibration_images(source: Any, shape: Sequence[int], crop: float) -> np.ndarray:
    """Reads at most 256 calibration images, spread evenly over the source.

    Args:
        source: folder of image files, or of class folders, as `read_image_folder` takes it, of
            which the images in `train/` are taken; a `tf.data.Dataset` of images or (images,
            labels), batched or not; or an array (count, height, width, channels). Pixels are in
            [0, 255]. Use training images: test images would inflate the test score.
        shape: (height, width, channels) of the model's input.
        crop: float, side of the centre crop of image files, as in evaluation.

    Returns:
        uint8 array (count, height, width, channels).

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: there are fewer than 16 images, they have another shape or range, or they show
            nothing: most are of one colour, or all are the same; or the folder has another layout,
            or too many files that cannot be read.

    Warns:
        UserWarning: entries of the folder were left out; the message names them.
    """
    if isinstance(source, (str, os.PathLike)):
        images = _of_folder(local_path(source, "calibration"), shape, crop)
    elif isinstance(source, np.ndarray):
        images = source[_spread(len(source))] if source.ndim else source
    else:
        images = _of_dataset(source)
    images = np.asarray(images)
    if not images.size:
        images = np.zeros((0, *shape))
    if images.shape[1:] != tuple(shape):
        raise ValueError(
            f"Calibration images must be of shape (count, {', '.join(map(str, shape))}), as the "
            f"model takes them. Received: shape {images.shape}"
        )
    if len(images) < LEAST:
        raise ValueError(
            f"At least {LEAST} calibration images are needed, preferably 100, so that their ranges "
            f"hold for other images. Received: {len(images)}"
        )
    _check_values(images)
    return np.rint(images).astype("uint8")


def _check_values(images: np.ndarray) -> None:
    check_pixels(images, "Calibration images")
    # Of one colour: every channel is constant over the image.
    pixels = images.reshape(len(images), -1, images.shape[-1])
    plain = (pixels == pixels[:, :1]).all(axis=(1, 2))
    if plain.mean() > 0.5:
        raise ValueError(
            f"{plain.sum()} of {len(images)} calibration images are of one colour: their ranges "
            "would cut off those of real images."
        )
    if (images == images[0]).all():
        raise ValueError(
            f"The {len(images)} calibration images are all the same: their ranges would cut off "
            "those of other images."
        )


def _spread(count: int) -> np.ndarray:
    """Returns at most `MOST` of `count` indices, evenly spread, so that every class is included."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, MOST)).astype(int))


def _of_folder(folder: str | os.PathLike[str], shape: Sequence[int], crop: float) -> np.ndarray:
    height, width, channels = shape
    if channels != 3:
        raise ValueError(
            f"Image files are read in colour, but the model takes {channels} channels: pass the "
            "calibration images as an array."
        )
    found = images_of_folder(folder, ("train", "val", "test"))
    files = [found.files[place] for place in _spread(len(found.files))]
    images, unreadable = read_images(files, (height, width), crop)
    for sentence in (*found.notes, unreadable_sentence(files, unreadable)):
        if sentence:
            warnings.warn(f"Calibration: {sentence}", stacklevel=4)
    return images


def _of_dataset(dataset: Any) -> np.ndarray:
    """Returns the images of all elements, evenly subsampled if there are too many."""
    cardinality = getattr(dataset, "cardinality", None)
    if callable(cardinality) and int(cardinality()) == _INFINITE:
        raise ValueError(
            "`calibration` must be a data set that ends: leave out its `repeat()`, or give "
            f"`.take({MOST})` of it, in batches as they are."
        )
    kept, step, place = [], 1, 0
    for element in dataset:
        images = np.asarray(element[0] if isinstance(element, (tuple, list)) else element)
        for image in images if images.ndim == 4 else images[None]:
            if place % step == 0:
                kept.append(image)
            place += 1
            if len(kept) == 2 * MOST:
                kept, step = kept[::2], 2 * step
    shapes = {image.shape for image in kept}
    if len(shapes) > 1:
        raise ValueError(f"Calibration images must be of one shape. Received: {sorted(shapes)}")
    return np.stack(kept)[_spread(len(kept))] if kept else np.zeros((0,))
