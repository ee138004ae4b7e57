"""Functions of a model in an export, by the names of their signatures."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
from keras import ops

from keras_cabvit.data.labels import LABELS, labels_text
from keras_cabvit.inference import can_be_fused, fuse
from keras_cabvit.layers.flatten_layers import flatten_layers
from keras_cabvit.ops import is_half
from keras_cabvit.runtimes.classifier_activation import classifier_activation, producer
from keras_cabvit.runtimes.stated_crop import CROP_FILE


def classifier_output_name(model: keras.Model, activation: str | None = None) -> str:
    """Returns the name of a model's scores in an export: "probabilities" or "logits".

    Args:
        model: Keras model.
        activation: "softmax", "linear" or "sigmoid", the caller's word on a model that ends in a
            layer of their own; or None.

    Raises:
        ValueError: the model does not have exactly one image input of one size and one classifier;
            what it ends in is unknown and not given; or something else is given.
    """
    name = f"The model '{model.name}'"
    ending = classifier_activation(model, name, activation)
    if None in model.input_shape[1:]:
        raise ValueError(
            f"{name} must take images of one size to be exported. It takes {model.input_shape[1:]}."
        )
    if ending is None:
        raise ValueError(
            f"{name} ends in '{producer(model.outputs[0])[0].name}', and whether that "
            'gives probabilities or logits is unknown. Give `classifier_activation="softmax"` '
            "(`--classifier-activation`) if it gives probabilities that sum to 1, "
            '"linear" if it gives logits.'
        )
    return "logits" if ending == "linear" else "probabilities"


def class_count(model: keras.Model) -> int:
    """Returns the number of classes of a classifier's export; one unit with a sigmoid has two."""
    return max(2, model.output_shape[-1])


def inference_form(model: keras.Model, **options: Any) -> keras.Model:
    """Returns the fused form of a model; the model itself if it has no layers to fuse.

    Quantised by Keras, a model of this library is dequantised; any other is exported as it is.

    Args:
        model: Keras model on the TensorFlow backend.
        **options: options of `fuse`.
    """
    return fuse(model, **options) if can_be_fused(model) else model


def computing_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns the layers that compute something in their `compute_dtype`.

    That of inputs and of functional and sequential models, the model itself included, is Keras'
    default when they were loaded, and says nothing.
    """
    return [
        layer
        for layer in flatten_layers(model)
        if not isinstance(layer, (keras.layers.InputLayer, keras.Sequential))
        and not hasattr(layer, "operations")
    ]


def float32_form(model: keras.Model, rule: str, **options: Any) -> keras.Model:
    """Returns the fused form of a model, computing in float32, for a runtime without other floats.

    A model with layers of this library may have been trained in bfloat16 or float64.

    Args:
        model: Keras model on the TensorFlow backend.
        rule: clause on the types of the format, which begins the message.
        **options: options of `fuse`.

    Raises:
        ValueError: a layer still computes in half or double precision.
    """
    model = inference_form(model, dtype="float32", **options)
    for layer in computing_layers(model):
        if is_half(layer.compute_dtype) or layer.compute_dtype == "float64":
            raise ValueError(
                f"{rule}, but layer '{layer.name}' computes in {layer.compute_dtype}. Export the "
                f'trained model, not the result of `fuse(model, dtype="{layer.compute_dtype}")`. '
                "If the model has no layers of this library, copy its weights to the same model in "
                "float32."
            )
    return model


def pixel_functions(
    model: keras.Model,
    signatures: Mapping[str, str],
    output_name: str,
    batch_size: int | None = None,
    empty_batches: bool = True,
    frozen_weights: bool = False,
) -> dict[str, Callable[..., Any]]:
    """Creates functions from images to a model's scores.

    The probability of the second of two classes, of a model with one unit, becomes those of both.
    Scores are float32 in every precision.

    Args:
        model: Keras model on the TensorFlow backend.
        signatures: dict from a signature's name to the type of its input `image`.
        output_name: name of the scores.
        batch_size: integer, or None for any.
        empty_batches: whether any batch includes one of no images. Defaults to True.
        frozen_weights: whether the weights are constants of one graph that all functions call,
            instead of variables. Defaults to False.

    Returns:
        Dict from a signature's name to a `tf.function`.
    """
    import tensorflow as tf

    may_be_empty = batch_size is None and empty_batches

    def scores(image: Any) -> dict[str, Any]:
        count = tf.shape(image)[0]
        if may_be_empty:
            # TensorFlow's convolutions on the CPU fail on an empty batch.
            none = tf.cast(tf.equal(count, 0), tf.int32)
            image = tf.pad(image, [[0, none], *([0, 0] for _ in model.input_shape[1:])])
        outputs = model(ops.cast(image, "float32"), training=False)
        if model.output_shape[-1] == 1:
            outputs = ops.concatenate([1 - outputs, outputs], axis=-1)
        outputs = ops.cast(outputs, "float32")
        return {output_name: outputs[:count] if may_be_empty else outputs}

    shape = (batch_size, *model.input_shape[1:])
    if frozen_weights or len(signatures) > 1:
        image = tf.TensorSpec(shape, "float32", name="image")
        scores = _one_graph(scores, image, frozen_weights)
    return {
        name: tf.function(scores, [tf.TensorSpec(shape, dtype, name="image")], autograph=False)
        for name, dtype in signatures.items()
    }


def _one_graph(scores: Callable[..., Any], image: Any, frozen_weights: bool) -> Callable[..., Any]:
    """Returns a function with its graph, which it holds once for all callers.

    Args:
        scores: function from images to a dict of one tensor.
        image: the `tf.TensorSpec` of float32 images.
        frozen_weights: whether the function's variables become constants of the graph.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    traced = tf.function(scores, [image], autograph=False).get_concrete_function()
    if not frozen_weights:
        return lambda image: traced(tf.cast(image, "float32"))
    (name,) = traced.structured_outputs
    frozen = convert_variables_to_constants_v2(traced)
    return lambda image: {name: frozen(tf.cast(image, "float32"))[0]}


def write_functions(
    variables: Sequence[keras.Variable],
    functions: Mapping[str, Callable[..., Any]],
    directory: str | os.PathLike[str],
    labels: Sequence[str] | None = None,
    statement: str | None = None,
) -> None:
    """Writes functions of a model as a SavedModel.

    Args:
        variables: the variables that the functions use.
        functions: dict from a signature's name to a `tf.function`.
        directory: path of the directory to write.
        labels: strings for `assets/labels.txt`, or None.
        statement: content of `assets/evaluation_transform.json`, from `crop_statement`, or None.
    """
    import tensorflow as tf

    module = tf.Module()
    # Only the variables: tracking the model would save its optimizer too, and Keras' own
    # ExportArchive saves every variable twice.
    module.model_variables = [variable.value for variable in variables]
    with tempfile.TemporaryDirectory() as folder:
        if labels is not None:
            file = Path(folder) / LABELS
            file.write_text(labels_text(labels), encoding="utf-8")
            module.labels = tf.saved_model.Asset(str(file))
        if statement is not None:
            file = Path(folder) / CROP_FILE
            file.write_text(statement, encoding="utf-8")
            module.evaluation_transform = tf.saved_model.Asset(str(file))
        # Constants have no gradients, and those that Keras defines for int8 weights are refused.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=bool(variables))
        tf.saved_model.save(module, str(directory), signatures=functions, options=options)
