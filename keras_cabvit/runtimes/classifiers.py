"""Saved classifiers in any form, each run in the runtime that its users run."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_cabvit.data.array_checks import check_not_scaled
from keras_cabvit.data.labels import labels_in
from keras_cabvit.runtimes.classifier_activation import NotAClassifier, check_one_of_each
from keras_cabvit.runtimes.classifier_activation import classifier_activation as activation_of
from keras_cabvit.runtimes.keras_statements import keras_statements
from keras_cabvit.runtimes.onnx_metadata import read_statements
from keras_cabvit.runtimes.pixel_scale import note_on_pixels
from keras_cabvit.runtimes.reading import (
    latest_version,
    read_keras_model,
    read_onnx,
    read_saved_model,
    read_tflite,
)
from keras_cabvit.runtimes.stated_crop import STATEMENT, stated_crop
from keras_cabvit.runtimes.tflite_metadata import TFLiteMetadata, read_metadata


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
            ValueError: the images are scaled to [0, 1] or [-1, 1], otherwise normalised, or of more
                than 8 bits, or have pixels that are NaN.
        """
        check_not_scaled(images)
        return self.scores(images)


def load_keras(
    path: str | os.PathLike[str], classifier_activation: str | None = None
) -> Classifier:
    """Opens a `.keras` file on Keras' current backend.

    Args:
        path: path of the file.
        classifier_activation: "softmax", "linear" or "sigmoid", for a model that ends in a layer of
            the caller's own. Defaults to None: determined from the model.

    Returns:
        `Classifier`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, not a Keras model, or states an absurd crop.
        NotAClassifier: the model does not have exactly one image input and one classifier.
    """
    model = read_keras_model(path)
    activation = activation_of(model, str(path), classifier_activation)
    stated = keras_statements(path, model.input_shape[1:])
    return Classifier(
        runtime=model,
        image_shape=model.input_shape[1:],
        classes=_classes(model.output_shape),
        gives_probabilities=None if activation is None else activation != "linear",
        scores=_of_both_classes(str(path), model.predict_on_batch),
        labels=stated.labels,
        evaluation_crop=stated.crop,
        notes=note_on_pixels(model, str(path)),
    )


def load_saved_model(path: str | os.PathLike[str]) -> Classifier:
    """Opens the signature `serving_default` of a SavedModel directory with TensorFlow.

    Args:
        path: path of the directory that holds `saved_model.pb`, or of the folder with its numbered
            versions, the highest of which is opened.

    Returns:
        `Classifier`.

    Raises:
        FileNotFoundError: there is no SavedModel at `path`.
        ValueError: it is damaged, has no signature `serving_default`, or states an absurd crop.
        ImportError: TensorFlow is not installed.
        NotAClassifier: the signature does not have exactly one image input and one output.
    """
    loaded = read_saved_model(path)
    signature = loaded.signatures["serving_default"]
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    check_one_of_each(f"The signature serving_default of {path}", inputs, outputs)
    ((input_name, image),), ((output_name, output),) = inputs.items(), outputs.items()

    def scores(images: npt.ArrayLike) -> np.ndarray:
        import tensorflow as tf

        fed = tf.constant(_as_type(images, image.dtype.as_numpy_dtype))
        return signature(**{input_name: fed})[output_name].numpy()

    return Classifier(
        runtime=loaded,
        image_shape=tuple(image.shape[1:]),
        classes=_classes(output.shape.as_list()) if output.shape.rank else None,
        gives_probabilities=_gives_probabilities(output_name, output.shape[-1:]),
        scores=_of_both_classes(str(path), scores),
        labels=_asset_labels(path),
        evaluation_crop=_asset_crop(path, tuple(image.shape[1:])),
    )


def _asset_labels(path: str | os.PathLike[str]) -> tuple[str, ...] | None:
    """Returns the names in `assets/labels.txt` of a SavedModel, or None."""
    file = _asset(path, "labels.txt")
    return tuple(labels_in(file.read_bytes(), file)) if file.is_file() else None


def _asset_crop(path: str | os.PathLike[str], image_shape: Sequence[int | None]) -> float | None:
    """Returns the crop that a SavedModel states, or None."""
    file = _asset(path, STATEMENT)
    return stated_crop(file.read_bytes(), path, image_shape) if file.is_file() else None


def _asset(path: str | os.PathLike[str], name: str) -> Path:
    return (latest_version(path) or Path(path)) / "assets" / name


def load_tflite(
    path: str | os.PathLike[str],
    threads: int = 2,
    run: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Classifier:
    """Opens a `.tflite` file with LiteRT.

    Args:
        path: path of the file.
        threads: integer, maximum number of threads. Defaults to 2.
        run: function from images (count, height, width, channels) in the file's own type to its
            raw scores (count, ...), such as a `GpuAccelerator`. None, the default, runs the file on
            the CPU.

    Returns:
        `Classifier`. It runs one image at a time, as the file requires, and dequantises the scores.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a model, not one that LiteRT can run, or states an absurd crop.
        ImportError: ai-edge-litert is not installed.
        NotAClassifier: the model does not have exactly one input, for one image as uint8 or
            float32, and one output.

    Float pixels are normalised as the file's metadata states, as MediaPipe does; they are fed in
    [0, 255] to a file that states nothing.
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
    scale, zero_point = output["quantization"]
    stated = read_metadata(path)
    mean, std, notes = _normalization(path, stated, image)

    def scores_of_one(pixels: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(image["index"], pixels[None])
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])[0]

    def scores(images: npt.ArrayLike) -> np.ndarray:
        fed = _as_type(images, image["dtype"])
        if (mean, std) != (0, 1):
            fed = ((fed - np.float32(mean)) / np.float32(std)).astype("float32")
        given = np.stack([scores_of_one(pixels) for pixels in fed]) if run is None else run(fed)
        return (given.astype("float32") - zero_point) * scale if scale else given

    signatures = interpreter.get_signature_list().values()
    names = [name for signature in signatures for name in signature["outputs"]]
    return Classifier(
        runtime=interpreter,
        image_shape=tuple(image["shape"][1:].tolist()),
        classes=_classes(output["shape"].tolist()),
        gives_probabilities=_gives_probabilities(names[0] if names else None, output["shape"][-1:]),
        scores=_of_both_classes(str(path), scores),
        labels=stated.labels,
        evaluation_crop=(
            None
            if stated.crop_statement is None
            else stated_crop(stated.crop_statement, path, image["shape"][1:].tolist())
        ),
        notes=notes,
    )


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
        ValueError: it is not a model, not one that onnxruntime can run, or its metadata is absurd.
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
    notes = () if stated.states_range or dtype == np.uint8 else (_unstated_pixels(path),)

    def scores(images: npt.ArrayLike) -> np.ndarray:
        fed = _as_type(images, dtype)
        batches = [fed] if batch is None else _batches(fed, batch)
        found = [session.run([output.name], {image.name: pixels})[0] for pixels in batches]
        return np.concatenate(found)[: len(fed)]

    classes = _fixed_sides(output.shape)
    probabilities = _gives_probabilities(output.name, classes[-1:])
    return Classifier(
        runtime=session,
        image_shape=tuple(shape),
        classes=_classes(classes),
        gives_probabilities=(
            stated.gives_probabilities if probabilities is None else probabilities
        ),
        scores=_of_both_classes(str(path), scores),
        labels=stated.labels,
        evaluation_crop=stated.crop,
        notes=notes,
    )


def _batches(images: np.ndarray, size: int) -> list[np.ndarray]:
    """Returns images in batches of one size, the last image repeated to fill the last batch."""
    indices = np.arange(-(-len(images) // size) * size).clip(max=len(images) - 1)
    return [images[part] for part in np.split(indices, range(size, len(indices), size))]


def _fixed_sides(shape: Sequence[int | str | None]) -> list[int | None]:
    """Returns the sides of a tensor in an .onnx file, with None for one of any size."""
    return [side if isinstance(side, int) else None for side in shape]


def _unstated_pixels(path: str | os.PathLike[str]) -> str:
    """Returns a sentence on a file that takes float pixels and does not state their range."""
    return (
        f"The metadata of {path} does not state how pixels are normalised: they were fed as they "
        "are, in [0, 255]."
    )


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
        notes.append(_unstated_pixels(path))
        return 0, 1, tuple(notes)
    if len(stated.mean) not in (1, image["shape"][-1]):
        raise ValueError(
            f"The metadata of {path} must state one mean, or one per channel. It states "
            f"{len(stated.mean)} for {image['shape'][-1]} channels."
        )
    return stated.mean, stated.std, tuple(notes)


def _as_type(images: npt.ArrayLike, dtype: npt.DTypeLike) -> np.ndarray:
    """Returns images in 0..255 as `dtype`, rounded and clipped if that is an integer type."""
    array = np.asarray(images)
    if array.dtype != dtype and np.issubdtype(dtype, np.integer):
        array = np.clip(np.rint(array), 0, 255)
    return array.astype(dtype, copy=False)


def _gives_probabilities(output_name: str | None, units: Sequence[int | None]) -> bool | None:
    """Infers the kind of scores from the output's name, which this library's exports set."""
    if list(units) == [1]:
        return True
    return {"probabilities": True, "logits": False}.get(output_name or "")


def _classes(shape: Sequence[int | None]) -> int | None:
    """Returns the number of classes of scores of a shape; None if it is not (count, classes)."""
    if len(shape) != 2:
        return None
    return 2 if shape[-1] == 1 else shape[-1]


def _of_both_classes(
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
