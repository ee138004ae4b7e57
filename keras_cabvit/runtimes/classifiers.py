"""Opens the forms a classifier is saved in, each with the runtime that its user has."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from keras_cabvit.runtimes.reading import load_keras_model, load_saved_model, load_tflite


class NotAClassifier(ValueError):
    """A file that can be read, and holds another kind of model."""


class Classifier(NamedTuple):
    """A classifier, whatever its form.

    Attributes:
        scores: function from uint8 or float32 images (count, height, width, channels) with values
            in 0..255 to scores (count, classes), as the file gives them.
        image_shape: (height, width, channels); None where any size is taken.
        classes: integer, or None where the file does not say.
        gives_probabilities: whether scores are probabilities (True) or logits (False); None where
            the file does not say.
    """

    scores: Callable
    image_shape: tuple
    classes: int | None
    gives_probabilities: bool | None


def keras_classifier(path):
    """Opens a `.keras` file on Keras' current backend.

    Args:
        path: the file.

    Returns:
        `Classifier`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or no Keras model.
        NotAClassifier: the model has not one image input and one classifier.
    """
    model = load_keras_model(path)
    activation = classifier_activation(model, path)
    if activation not in (keras.activations.linear, keras.activations.softmax):
        raise NotAClassifier(
            f"{path} must give one probability for every class, with a softmax, or logits. Its "
            f"classifier ends in {getattr(activation, '__name__', activation)}."
        )
    return Classifier(
        model.predict_on_batch,
        model.input_shape[1:],
        model.output_shape[-1],
        activation is keras.activations.softmax,
    )


def classifier_activation(model, name):
    """Returns the activation that a Keras model ends in: linear where it gives logits.

    Args:
        model: Keras model.
        name: what a message calls it.

    Raises:
        NotAClassifier: the model has not one image input and one classifier.
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
            f"of shape {model.output_shape}. A model with `include_top=True` has one."
        )
    if isinstance(last, keras.layers.Softmax):
        return keras.activations.softmax
    return getattr(last, "activation", None) or keras.activations.linear


def _last_layer(model):
    last = model.layers[-1]
    return _last_layer(last) if isinstance(last, keras.Model) else last


def _classifies(model):
    # Features come from a norm or from pooling; a classifier's scores from a dense layer, or from a
    # convolution that is pooled afterwards.
    for layer in reversed(model.layers):
        if layer.weights:
            return (
                _classifies(layer) if isinstance(layer, keras.Model) else hasattr(layer, "kernel")
            )
    return False


def saved_model_classifier(path):
    """Opens a SavedModel directory with TensorFlow: its signature `serving_default`.

    Args:
        path: the directory that holds `saved_model.pb`.

    Returns:
        `Classifier`.

    Raises:
        ImportError: TensorFlow is not installed.
        NotAClassifier: the signature has not one image input and one output.
    """
    loaded = load_saved_model(path).loaded
    signature = loaded.signatures["serving_default"]
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise NotAClassifier(
            f"The signature serving_default of {path} must have one input and one output. It has "
            f"{len(inputs)} inputs and {len(outputs)} outputs."
        )
    ((input_name, image),), ((output_name, output),) = inputs.items(), outputs.items()

    def scores(images):
        import tensorflow as tf

        fed = tf.constant(as_type(images, image.dtype.as_numpy_dtype))
        return signature(**{input_name: fed})[output_name].numpy()

    scores.loaded = loaded  # the signature alone does not keep the variables alive
    return Classifier(
        scores,
        tuple(image.shape[1:]),
        output.shape[-1] if output.shape.rank == 2 else None,
        _named_as_probabilities(output_name),
    )


def tflite_classifier(path):
    """Opens a `.tflite` file with LiteRT.

    Args:
        path: the file.

    Returns:
        `Classifier`. Quantised outputs are turned back into real numbers.

    Raises:
        ImportError: ai-edge-litert is not installed.
        NotAClassifier: the model has not one input for one image, as uint8 or float32, and one
            output.
    """
    run = load_tflite(path)
    interpreter = run.interpreter
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1:
        raise NotAClassifier(
            f"{path} must have one input and one output. It has {len(inputs)} inputs and "
            f"{len(outputs)} outputs."
        )
    (image,), (output,) = inputs, outputs
    if image["shape"][0] != 1 or image["dtype"] not in (np.uint8, np.float32):
        raise NotAClassifier(
            f"{path} must take one image at a time, as uint8 or float32. It takes "
            f"{np.dtype(image['dtype'])} of shape {tuple(image['shape'].tolist())}."
        )
    scale, zero_point = output["quantization"]

    def scores(images):
        given = run(as_type(images, image["dtype"]))
        return (given.astype("float32") - zero_point) * scale if scale else given

    signatures = interpreter.get_signature_list().values()
    names = [name for signature in signatures for name in signature["outputs"]]
    return Classifier(
        scores,
        tuple(image["shape"][1:].tolist()),
        int(output["shape"][-1]) if len(output["shape"]) == 2 else None,
        _named_as_probabilities(names[0] if names else None),
    )


def as_type(images, dtype):
    """Returns images in 0..255 as `dtype`; whole numbers are rounded to and clipped."""
    images = np.asarray(images)
    if images.dtype != dtype and np.issubdtype(dtype, np.integer):
        images = np.clip(np.rint(images), 0, 255)
    return images.astype(dtype, copy=False)


def _named_as_probabilities(output_name):
    """Tells from the name that this project's exports give their output."""
    return {"probabilities": True, "logits": False}.get(output_name)
