"""Saved classifiers in any form, each run in the runtime that its users run."""

import os
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_cabvit.runtimes.reading import read_keras_model, read_saved_model, read_tflite


class NotAClassifier(ValueError):
    """A readable file holds another kind of model."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """A saved classifier in any form: a function from images to scores.

    Call it with uint8 or float32 images (count, height, width, channels) with values in 0..255. It
    returns the file's scores (count, classes).

    Attributes:
        runtime: the Keras model, the loaded SavedModel or the LiteRT interpreter.
        image_shape: (height, width, channels); None for a side of any size.
        classes: integer, or None if the file does not specify it.
        gives_probabilities: whether the scores are probabilities (True) or logits (False); None if
            the file does not specify it.
        scores: function that a call runs.
    """

    runtime: Any
    image_shape: tuple[int | None, ...]
    classes: int | None
    gives_probabilities: bool | None
    scores: Callable[[npt.ArrayLike], np.ndarray]

    def __call__(self, images: npt.ArrayLike) -> np.ndarray:
        """Returns the scores (count, classes) of images (count, height, width, channels)."""
        return self.scores(images)


def load_keras(path: str | os.PathLike[str]) -> Classifier:
    """Opens a `.keras` file on Keras' current backend.

    Args:
        path: path of the file.

    Returns:
        `Classifier`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or not a Keras model.
        NotAClassifier: the model does not have exactly one image input and one classifier.
    """
    model = read_keras_model(path)
    activation = classifier_activation(model, str(path))
    if activation not in (keras.activations.linear, keras.activations.softmax):
        raise NotAClassifier(
            f"{path} must give one probability per class, with a softmax, or logits. Its "
            f"classifier ends in {getattr(activation, '__name__', activation)}."
        )
    return Classifier(
        runtime=model,
        image_shape=model.input_shape[1:],
        classes=model.output_shape[-1],
        gives_probabilities=activation is keras.activations.softmax,
        scores=model.predict_on_batch,
    )


def classifier_activation(model: keras.Model, name: str) -> Callable[..., Any]:
    """Returns the activation that a Keras model ends in; linear if it gives logits.

    Args:
        model: Keras model.
        name: name of the model in error messages.

    Raises:
        NotAClassifier: the model does not have exactly one image input and one classifier.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise NotAClassifier(
            f"{name} must have one input and one output. It has {len(model.inputs)} inputs and "
            f"{len(model.outputs)} outputs."
        )
    last = _last_layer(model)
    if len(model.output_shape) != 2 or not _classifies(model):
        raise NotAClassifier(
            f"{name} has no classifier: it ends in the layer '{last.name}', which gives features "
            f"of shape {model.output_shape}. Build it with `include_top=True`."
        )
    if isinstance(last, keras.layers.Softmax):
        return keras.activations.softmax
    return getattr(last, "activation", None) or keras.activations.linear


def _last_layer(model: keras.Model) -> keras.layers.Layer:
    last = model.layers[-1]
    return _last_layer(last) if isinstance(last, keras.Model) else last


def _classifies(model: keras.Model) -> bool:
    # Features come from a norm or from pooling; a classifier's scores from a dense layer, or from a
    # convolution followed by pooling.
    for layer in reversed(model.layers):
        if layer.weights:
            return (
                _classifies(layer) if isinstance(layer, keras.Model) else hasattr(layer, "kernel")
            )
    return False


def load_saved_model(path: str | os.PathLike[str]) -> Classifier:
    """Opens the signature `serving_default` of a SavedModel directory with TensorFlow.

    Args:
        path: path of the directory that holds `saved_model.pb`, or of the folder with its numbered
            versions, the highest of which is opened.

    Returns:
        `Classifier`.

    Raises:
        FileNotFoundError: there is no SavedModel at `path`.
        ValueError: it is damaged, or has no signature `serving_default`.
        ImportError: TensorFlow is not installed.
        NotAClassifier: the signature does not have exactly one image input and one output.
    """
    loaded = read_saved_model(path)
    signature = loaded.signatures["serving_default"]
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    _check_one_of_each(f"The signature serving_default of {path}", inputs, outputs)
    ((input_name, image),), ((output_name, output),) = inputs.items(), outputs.items()

    def scores(images: npt.ArrayLike) -> np.ndarray:
        import tensorflow as tf

        fed = tf.constant(_as_type(images, image.dtype.as_numpy_dtype))
        return signature(**{input_name: fed})[output_name].numpy()

    return Classifier(
        runtime=loaded,
        image_shape=tuple(image.shape[1:]),
        classes=output.shape[-1] if output.shape.rank == 2 else None,
        gives_probabilities=_named_as_probabilities(output_name),
        scores=scores,
    )


def load_tflite(path: str | os.PathLike[str], threads: int = 2) -> Classifier:
    """Opens a `.tflite` file with LiteRT.

    Args:
        path: path of the file.
        threads: integer, maximum number of threads. Defaults to 2.

    Returns:
        `Classifier`. It runs one image at a time, as the file requires, and dequantises the scores.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a model, or not one that LiteRT can run.
        ImportError: ai-edge-litert is not installed.
        NotAClassifier: the model does not have exactly one input, for one image as uint8 or
            float32, and one output.
    """
    interpreter = read_tflite(path, threads)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    _check_one_of_each(str(path), inputs, outputs)
    (image,), (output,) = inputs, outputs
    if image["shape"][0] != 1 or image["dtype"] not in (np.uint8, np.float32):
        raise NotAClassifier(
            f"{path} must take one image at a time, as uint8 or float32. It takes "
            f"{np.dtype(image['dtype'])} of shape {tuple(image['shape'].tolist())}."
        )
    scale, zero_point = output["quantization"]

    def scores_of_one(pixels: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(image["index"], pixels[None])
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])[0]

    def scores(images: npt.ArrayLike) -> np.ndarray:
        given = np.stack([scores_of_one(pixels) for pixels in _as_type(images, image["dtype"])])
        return (given.astype("float32") - zero_point) * scale if scale else given

    signatures = interpreter.get_signature_list().values()
    names = [name for signature in signatures for name in signature["outputs"]]
    return Classifier(
        runtime=interpreter,
        image_shape=tuple(image["shape"][1:].tolist()),
        classes=int(output["shape"][-1]) if len(output["shape"]) == 2 else None,
        gives_probabilities=_named_as_probabilities(names[0] if names else None),
        scores=scores,
    )


def _check_one_of_each(name: str, inputs: Sized, outputs: Sized) -> None:
    if len(inputs) != 1 or len(outputs) != 1:
        raise NotAClassifier(
            f"{name} must have one input and one output. It has {len(inputs)} inputs and "
            f"{len(outputs)} outputs."
        )


def _as_type(images: npt.ArrayLike, dtype: npt.DTypeLike) -> np.ndarray:
    """Returns images in 0..255 as `dtype`, rounded and clipped if that is an integer type."""
    array = np.asarray(images)
    if array.dtype != dtype and np.issubdtype(dtype, np.integer):
        array = np.clip(np.rint(array), 0, 255)
    return array.astype(dtype, copy=False)


def _named_as_probabilities(output_name: str | None) -> bool | None:
    """Infers the kind of scores from the output's name, which this library's exports set."""
    return {"probabilities": True, "logits": False}.get(output_name or "")
