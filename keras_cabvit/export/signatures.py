"""Functions of a model in an export, by the names of their signatures."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
from keras import ops

from keras_cabvit.inference import can_be_fused, fuse
from keras_cabvit.runtimes.classifiers import classifier_activation


def classifier_output_name(model: keras.Model) -> str:
    """Returns the name of a model's scores in an export: "probabilities" or "logits".

    Raises:
        ValueError: the model does not have exactly one image input of one size and one classifier.
    """
    activation = classifier_activation(model, f"The model '{model.name}'")
    if None in model.input_shape[1:]:
        raise ValueError(
            f"The model '{model.name}' must take images of one size to be exported. It takes "
            f"{model.input_shape[1:]}."
        )
    return "logits" if activation is keras.activations.linear else "probabilities"


def inference_form(model: keras.Model, **options: Any) -> keras.Model:
    """Returns the fused form of a model; the model itself if it has no layers to fuse.

    Args:
        model: Keras model on the TensorFlow backend.
        **options: options of `fuse`.
    """
    return fuse(model, **options) if can_be_fused(model) else model


def pixel_functions(
    model: keras.Model,
    signatures: Mapping[str, str],
    output_name: str,
    batch_size: int | None = None,
) -> dict[str, Callable[..., Any]]:
    """Creates functions from images to a model's scores.

    Args:
        model: Keras model on the TensorFlow backend.
        signatures: dict from a signature's name to the type of its input `image`.
        output_name: name of the scores.
        batch_size: integer, or None for any.

    Returns:
        Dict from a signature's name to a `tf.function`.
    """
    import tensorflow as tf

    def scores(image: Any) -> dict[str, Any]:
        count = tf.shape(image)[0]
        if batch_size is None:
            # TensorFlow's convolutions on the CPU fail on an empty batch.
            none = tf.cast(tf.equal(count, 0), tf.int32)
            image = tf.pad(image, [[0, none], *([0, 0] for _ in model.input_shape[1:])])
        outputs = model(ops.cast(image, "float32"), training=False)
        return {output_name: outputs if batch_size else outputs[:count]}

    shape = (batch_size, *model.input_shape[1:])
    return {
        name: tf.function(scores, [tf.TensorSpec(shape, dtype, name="image")])
        for name, dtype in signatures.items()
    }


def write_functions(
    model: keras.Model,
    functions: Mapping[str, Callable[..., Any]],
    directory: str | os.PathLike[str],
    labels: Sequence[str] | None = None,
) -> None:
    """Writes functions of a model as a SavedModel.

    Args:
        model: Keras model whose variables the functions use.
        functions: dict from a signature's name to a `tf.function`.
        directory: path of the directory to write.
        labels: strings for `assets/labels.txt`, or None.
    """
    import tensorflow as tf

    module = tf.Module()
    # Only the variables: tracking the model would save its optimizer too, and Keras' own
    # ExportArchive saves every variable twice.
    module.model_variables = [variable.value for variable in model.variables]
    with tempfile.TemporaryDirectory() as folder:
        if labels is not None:
            file = Path(folder) / "labels.txt"
            file.write_text("\n".join(labels) + "\n", encoding="utf-8")
            module.labels = tf.saved_model.Asset(str(file))
        tf.saved_model.save(module, str(directory), signatures=functions)
