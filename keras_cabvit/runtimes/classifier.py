"""A saved classifier in any form, and what its scores are."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_cabvit.data.array_checks import check_not_scaled
from keras_cabvit.runtimes.classifier_activation import NotAClassifier


@dataclass(frozen=True, eq=False)
class Classifier:
    """A saved classifier in any form: a function from images to scores.

    Call it with uint8 or float32 images (count, height, width, channels) with values in 0..255. It
    returns the file's scores (count, classes). A file that gives one score, the probability of the
    second of two classes, returns the probabilities of both.

    Attributes:
        runtime: the Keras model, the loaded SavedModel, the LiteRT interpreter or onnxruntime's
            session.
        image_shape: (height, width, channels); None for a side of any size.
        classes: integer, or None if the file does not specify it.
        gives_probabilities: whether the scores are probabilities (True) or logits (False); None if
            the file does not specify it.
        scores: function that a call runs.
        labels: tuple of strings, the names of the classes in the file itself; None without names.
        evaluation_crop: side of the centre crop in evaluation, as a share of the image, that an
            export states; None without a statement.
        notes: tuple of sentences on assumptions about the file.
    """

    runtime: Any
    image_shape: tuple[int | None, ...]
    classes: int | None
    gives_probabilities: bool | None
    scores: Callable[[npt.ArrayLike], np.ndarray]
    labels: tuple[str, ...] | None = None
    evaluation_crop: float | None = None
    notes: tuple[str, ...] = ()

    def __call__(self, images: npt.ArrayLike) -> np.ndarray:
        """Returns the scores (count, classes) of images (count, height, width, channels).

        Raises:
            ValueError: the images have another shape, are scaled to [0, 1] or [-1, 1], otherwise
                normalised, or of more than 8 bits, or have pixels that are NaN or no numbers.
        """
        images = np.asarray(images)
        self._check_shape(images.shape)
        check_not_scaled(images)
        return self.scores(images)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        # A SavedModel computes something for images of other sides.
        wanted = (None, *self.image_shape)
        if len(shape) != len(wanted) or any(
            side not in (None, given) for side, given in zip(wanted, shape, strict=True)
        ):
            sides = ", ".join("any" if side is None else str(side) for side in self.image_shape)
            raise ValueError(
                f"`images` must be of shape (count, {sides}), as the model takes them. "
                f"Received: shape {shape}"
            )


def unstated_pixels(path: str | os.PathLike[str]) -> str:
    """Returns a sentence on a file that takes float pixels and does not state their range."""
    return (
        f"The metadata of {path} does not state how pixels are normalised: they were fed as they "
        "are, in [0, 255]."
    )


def as_type(images: npt.ArrayLike, dtype: npt.DTypeLike) -> np.ndarray:
    """Returns images in 0..255 as `dtype`, rounded and clipped if that is an integer type."""
    array = np.asarray(images)
    if array.dtype != dtype and np.issubdtype(dtype, np.integer):
        array = np.clip(np.rint(array), 0, 255)
    return array.astype(dtype, copy=False)


def gives_probabilities(output_name: str | None, units: Sequence[int | None]) -> bool | None:
    """Infers the kind of scores from the output's name, which this library's exports set."""
    if list(units) == [1]:
        return True
    return {"probabilities": True, "logits": False}.get(output_name or "")


def class_count(shape: Sequence[int | None]) -> int | None:
    """Returns the number of classes of scores of a shape; None if it is not (count, classes)."""
    if len(shape) != 2:
        return None
    return 2 if shape[-1] == 1 else shape[-1]


def in_batches(images: np.ndarray, size: int) -> list[np.ndarray]:
    """Returns images in batches of one size, the last image repeated to fill the last batch."""
    indices = np.arange(-(-len(images) // size) * size).clip(max=len(images) - 1)
    return [images[part] for part in np.split(indices, range(size, len(indices), size))]


def of_both_classes(
    name: str, scores: Callable[[npt.ArrayLike], np.ndarray]
) -> Callable[[npt.ArrayLike], np.ndarray]:
    """Returns a function that turns the probability of the second of two classes into both."""

    def of_both(images: npt.ArrayLike) -> np.ndarray:
        given = np.asarray(scores(images))
        if given.shape[1:] != (1,):
            return given
        if not ((given >= 0) & (given <= 1)).all():
            raise NotAClassifier(
                f"{name} must give one score per class, or one probability for two classes. It "
                f"gives one score per image, from {given.min():.4g} to {given.max():.4g}."
            )
        return np.concatenate([1 - given, given], axis=1)

    return of_both


def check_finite_scores(scores: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Raises a ValueError if scores that a model gives are NaN or infinite."""
    if not np.isfinite(scores).all():
        raise ValueError(
            f"{path} returns NaN or infinite scores: it is damaged, or its training diverged."
        )


def look_like_probabilities(scores: np.ndarray) -> bool:
    """Returns whether scores (count, classes) are not negative and sum to about 1 per image."""
    return bool((scores >= 0).all() and (np.abs(scores.sum(axis=1) - 1) < 0.1).all())
