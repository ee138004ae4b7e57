"""Predictions of a trained model for any number of image files."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_cabvit.data.crops import check_crop
from keras_cabvit.data.decoding.image_header import MAX_MEGAPIXELS
from keras_cabvit.data.file_batches import file_batches, unreadable_reason
from keras_cabvit.data.image_bytes import check_max_megapixels
from keras_cabvit.runtimes.opened_model import OpenedModel, open_model
from keras_cabvit.runtimes.size_and_crop import size_and_crop


@dataclass(frozen=True)
class FilePrediction:
    """The most probable classes of one image file, in descending order.

    Attributes:
        path: path of the file.
        classes: tuple of integers, the numbers of the classes; empty if the file was not read.
        class_names: tuple of strings, their names; the numbers if the model has no names.
        probabilities: tuple of floats, exactly the float32 values that the model gives.
        error: empty, or a sentence on the reason for which the file was not read.
    """

    path: Path
    classes: tuple[int, ...]
    class_names: tuple[str, ...]
    probabilities: tuple[float, ...]
    error: str = ""


def predict_files(
    model: OpenedModel | str | os.PathLike[str],
    files: Iterable[str | os.PathLike[str]],
    *,
    top: int = 5,
    image_size: tuple[int, int] | None = None,
    crop: float | None = None,
    batch_size: int = 64,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> Iterator[FilePrediction]:
    """Predicts the classes of image files with a trained model in any form.

    The files are decoded, resized and cropped as in evaluation, while the model computes the
    previous batch. Memory does not grow with their number: `files` may be a generator. A file that
    cannot be read does not affect the others.

    Args:
        model: `OpenedModel`, or a path as `open_model` takes it.
        files: paths of JPEG, PNG, WebP, GIF or BMP files.
        top: integer, the number of classes per file, if the model has as many. Defaults to 5.
        image_size: (height, width) in pixels, for a model that takes any size.
        crop: side of the centre crop as a share of the image. None, the default, is the one
            that the model states, else that of the run's evaluation, else the authors': 0.875 below
            384 pixels, else 1.
        batch_size: integer, files at a time. Defaults to 64.
        max_megapixels: number; larger images are not decoded. Defaults to 64; `math.inf` is no
            limit.

    Returns:
        An iterator of one `FilePrediction` per file, in order.

    Raises:
        FileNotFoundError: there is no model at the path.
        ValueError: an argument is wrong, or the model is damaged or not a classifier; during the
            iteration, a path is an address such as `gs://bucket/image.jpg`.
        ImportError: TensorFlow, which reads the images, or the model's runtime is not installed.
    """
    check_prediction_arguments(top, batch_size, max_megapixels, crop)
    if isinstance(files, (str, os.PathLike)):
        raise ValueError(f"`files` must be several paths, such as a list. Received: {files}")
    if not isinstance(model, OpenedModel):
        model = open_model(model)
    size, crop, _ = size_and_crop(model, image_size, crop)
    batches = file_batches(files, size, crop, batch_size, max_megapixels)
    return _predictions(model, batches, top, max_megapixels)


def _predictions(
    model: OpenedModel,
    batches: Iterable[tuple[list[Path], np.ndarray, np.ndarray]],
    top: int,
    max_megapixels: float,
) -> Iterator[FilePrediction]:
    for paths, positions, pixels in batches:
        found = {}
        if len(positions):
            probabilities = padded_probabilities(model, pixels, len(paths))
            rows = zip(*top_classes(probabilities, top), strict=True)
            found = dict(zip(positions.tolist(), rows, strict=True))
        for position, path in enumerate(paths):
            if position not in found:
                yield FilePrediction(path, (), (), (), unreadable_reason(path, max_megapixels))
                continue
            classes, scores = found[position]
            names = names_of(classes, model.class_names)
            yield FilePrediction(path, tuple(classes), names, tuple(scores))


def padded_probabilities(model: OpenedModel, pixels: np.ndarray, count: int) -> np.ndarray:
    """Returns the probabilities of images, after filling them up with black ones to a count.

    Compilers compile for every batch size that they meet, so unreadable files must not change it.

    Args:
        model: `OpenedModel`.
        pixels: uint8 or float32 array (images, height, width, 3).
        count: integer, at least the number of images.

    Returns:
        A float32 array (images, classes).
    """
    given = len(pixels)
    if given < count:
        black = np.zeros((count - given, *pixels.shape[1:]), pixels.dtype)
        pixels = np.concatenate([pixels, black])
    return model.predict(pixels)[:given]


def top_classes(probabilities: np.ndarray, top: int) -> tuple[list[list[int]], list[list[float]]]:
    """Returns the numbers of the most probable classes, in descending order, and their values.

    Args:
        probabilities: float32 array (images, classes).
        top: integer, the number of classes per image, if there are as many.

    Returns:
        Two lists with a list per image.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return best.tolist(), np.take_along_axis(probabilities, best, axis=1).tolist()


def names_of(classes: Iterable[int], names: Sequence[str] | None) -> tuple[str, ...]:
    """Returns the names of classes, given by their numbers; the numbers if there are no names."""
    return tuple(str(number) if names is None else names[number] for number in classes)


def check_prediction_arguments(
    top: int, batch_size: int, max_megapixels: float, crop: float | None
) -> None:
    """Raises ValueError if an argument of `predict_files` is out of range."""
    for name, value in (("top", top), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
    check_max_megapixels(max_megapixels)
    check_crop(crop)
