"""A `.tflite` file, run by LiteRT."""

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_cabvit.runtimes.classifier import (
    Classifier,
    as_type,
    class_count,
    gives_probabilities,
    of_both_classes,
    unstated_pixels,
)
from keras_cabvit.runtimes.classifier_activation import NotAClassifier, check_one_of_each
from keras_cabvit.runtimes.reading import read_tflite
from keras_cabvit.runtimes.stated_crop import stated_crop
from keras_cabvit.runtimes.tflite_metadata import TFLiteMetadata, read_metadata


def load_tflite(
    path: str | os.PathLike[str],
    threads: int = 2,
    run: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Classifier:
    """Opens a `.tflite` file with LiteRT.

    Float pixels are normalised as the file's metadata states, as MediaPipe does; they are fed in
    [0, 255] to a file that states nothing.

    Args:
        path: path of the file.
        threads: integer, maximum number of threads. Defaults to 2.
        run: function from images (count, height, width, channels) in the file's own type to its
            raw scores (count, ...), such as a `GpuAccelerator`. None, the default, runs the file on
            the CPU.

    Returns:
        `Classifier`. It runs one image at a time, as the file requires, whatever the number of
        threads that call it, and dequantises the scores.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a model, not one that LiteRT can run, or states an absurd crop; or
            `threads` is not a positive integer.
        ImportError: ai-edge-litert is not installed.
        NotAClassifier: the model does not have exactly one input, for one image as uint8 or
            float32, and one output.
    """
    interpreter = read_tflite(path, threads)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    check_one_of_each(str(path), inputs, outputs)
    (image,), (output,) = inputs, outputs
    if image["shape"][0] != 1 or image["dtype"] not in (np.uint8, np.float32):
        raise NotAClassifier(
            f"{path} must take one image at a time, as uint8 or float32. It takes "
            f"{np.dtype(image['dtype'])} of shape {tuple(image['shape'].tolist())}."
        )
    if -1 in image.get("shape_signature", ())[1:]:
        raise NotAClassifier(
            f"{path} must take images of one size. It takes any: give the model an input of one "
            "size before it is converted."
        )
    scale, zero_point = output["quantization"]
    stated = read_metadata(path)
    mean, std, notes = _normalization(path, stated, image)
    shape = tuple(image["shape"][1:].tolist())
    statement = stated.crop_statement
    crop = None if statement is None else stated_crop(statement, path, shape)

    # Several threads would write into each other's input.
    lock = threading.Lock()

    def scores_of_one(pixels: np.ndarray) -> np.ndarray:
        with lock:
            interpreter.set_tensor(image["index"], pixels[None])
            interpreter.invoke()
            return interpreter.get_tensor(output["index"])[0]

    def scores(images: npt.ArrayLike) -> np.ndarray:
        fed = as_type(images, image["dtype"])
        if (mean, std) != (0, 1):
            fed = ((fed - np.float32(mean)) / np.float32(std)).astype("float32")
        given = np.stack([scores_of_one(pixels) for pixels in fed]) if run is None else run(fed)
        return (given.astype("float32") - zero_point) * scale if scale else given

    signatures = interpreter.get_signature_list().values()
    names = [name for signature in signatures for name in signature["outputs"]]
    probabilities = gives_probabilities(names[0] if names else None, output["shape"][-1:])
    if probabilities is None and _are_steps_of_a_softmax(output["dtype"], scale, zero_point):
        probabilities = True
    return Classifier(
        runtime=interpreter,
        image_shape=shape,
        classes=class_count(output["shape"].tolist()),
        gives_probabilities=probabilities,
        scores=of_both_classes(str(path), scores),
        labels=stated.labels,
        evaluation_crop=crop,
        notes=notes,
    )


def _are_steps_of_a_softmax(dtype: Any, scale: float, zero_point: int) -> bool:
    """Returns whether 8-bit scores have the steps that TFLite gives to a softmax: of 1/256, from 0.

    Of many classes, so many are rounded to 0 that the others do not sum to 1.
    """
    steps = np.issubdtype(dtype, np.integer) and zero_point == np.iinfo(dtype).min
    return bool(steps and abs(256 * scale - 1) < 1e-3)


def _normalization(
    path: str | os.PathLike[str], stated: TFLiteMetadata, image: dict[str, Any]
) -> tuple[Any, Any, tuple[str, ...]]:
    """Returns what float pixels are normalised with, and sentences on assumptions."""
    notes = []
    if stated.calibrates:
        notes.append(f"The metadata of {path} recalibrates scores in apps; here it did not.")
    if stated.thresholds:
        notes.append(f"The metadata of {path} drops low scores in apps; here it did not.")
    if image["dtype"] == np.uint8:  # MediaPipe feeds pixels as they are
        return 0, 1, tuple(notes)
    if stated.mean is None or stated.std is None:
        notes.append(unstated_pixels(path))
        return 0, 1, tuple(notes)
    if len(stated.mean) not in (1, image["shape"][-1]):
        raise ValueError(
            f"The metadata of {path} must state one mean, or one per channel. It states "
            f"{len(stated.mean)} for {image['shape'][-1]} channels."
        )
    return stated.mean, stated.std, tuple(notes)
