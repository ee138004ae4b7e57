"""An `.onnx` file, run by onnxruntime."""

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from keras_cabvit.runtimes.classifier import (
    Classifier,
    as_type,
    class_count,
    gives_probabilities,
    in_batches,
    of_both_classes,
    unstated_pixels,
)
from keras_cabvit.runtimes.classifier_activation import NotAClassifier, check_one_of_each
from keras_cabvit.runtimes.onnx_metadata import read_statements
from keras_cabvit.runtimes.reading import read_onnx


def load_onnx(path: str | os.PathLike[str], threads: int = 2) -> Classifier:
    """Opens an `.onnx` file with onnxruntime, on the CPU.

    Args:
        path: path of the file.
        threads: integer, maximum number of threads. Defaults to 2.

    Returns:
        `Classifier`. A file for a fixed number of images at a time is run as often as needed, the
        last time with the last image repeated. Pixels are fed in [0, 255]; a file that does not
        state their range is noted.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a model, not one that onnxruntime can run, or its metadata is absurd;
            or `threads` is not a positive integer.
        ImportError: onnxruntime is not installed.
        NotAClassifier: the model does not have exactly one input, for images of shape (height,
            width, channels) as uint8 or float32, and one output.
    """
    session = read_onnx(path, threads)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    check_one_of_each(str(path), inputs, outputs)
    (image,), (output,) = inputs, outputs
    batch, *shape = _fixed_sides(image.shape) or (None,)
    dtype = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}.get(image.type)
    if dtype is None or len(shape) != 3:
        raise NotAClassifier(
            f"{path} must take images (batch, height, width, channels) as uint8 or float32. It "
            f"takes {image.type} of shape {image.shape}."
        )
    if shape[0] in (1, 3) and shape[2] not in (1, 3):
        raise NotAClassifier(
            f"{path} must take images (batch, height, width, channels), with pixels in [0, 255]. "
            f"It takes (batch, {', '.join(map(str, shape))}), channels first, and does not state "
            "how pixels are normalised. Export the model with `cabvit export onnx`, or put a "
            "Transpose and the normalisation into the file."
        )
    stated = read_statements(session.get_modelmeta().custom_metadata_map, path, shape)
    notes = () if stated.states_range or dtype == np.uint8 else (unstated_pixels(path),)

    def scores(images: npt.ArrayLike) -> np.ndarray:
        fed = as_type(images, dtype)
        batches = [fed] if batch is None else in_batches(fed, batch)
        found = [session.run([output.name], {image.name: pixels})[0] for pixels in batches]
        return np.concatenate(found)[: len(fed)]

    classes = _fixed_sides(output.shape)
    probabilities = gives_probabilities(output.name, classes[-1:])
    return Classifier(
        runtime=session,
        image_shape=tuple(shape),
        classes=class_count(classes),
        gives_probabilities=(
            stated.gives_probabilities if probabilities is None else probabilities
        ),
        scores=of_both_classes(str(path), scores),
        labels=stated.labels,
        evaluation_crop=stated.crop,
        notes=notes,
    )


def _fixed_sides(shape: Sequence[int | str | None]) -> list[int | None]:
    """Returns the sides of a tensor in an .onnx file, with None for one of any size."""
    return [side if isinstance(side, int) else None for side in shape]
