"""Export to a SavedModel directory, as TF Serving loads it."""

import os
import shutil
from pathlib import Path

import keras
from keras import ops

from keras_cabvit.export.fuse import can_be_fused, fuse
from keras_cabvit.export.tensorflow_process import exports_with_tensorflow


@exports_with_tensorflow
def saved_model(model, path):
    """Writes the model as the next version of a servable, whole or not at all.

    TF Serving looks for numbered directories and serves the highest. The export has two signatures
    with a dynamic batch: `serving_default` takes `image`, uint8 (batch, height, width, channels),
    and `serving_float` the same as float32. Both give `probabilities`, or `logits` where the model
    ends without an activation.

    Args:
        model: with one image input; of this library, or any that ends in a classifier.
        path: directory of the servable; the export goes into `path/1`, or the next number.

    Returns:
        The path of the numbered directory.

    Raises:
        ImportError: TensorFlow is not installed.
        ValueError: `path` is a file, or the model has more than one input or output.

    Example:
        >>> import tempfile
        >>> model = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3), classes=10)
        >>> version = keras_cabvit.export.saved_model(model, tempfile.mkdtemp())
        >>> version.name
        '1'
    """
    path = Path(path)
    if path.is_file():
        raise ValueError(f"`path` must be a directory, and there is a file at {path}.")
    output_name = classifier_output_name(model)
    signatures = {"serving_default": "uint8", "serving_float": "float32"}

    path.mkdir(parents=True, exist_ok=True)
    versions = [int(entry.name) for entry in path.iterdir() if entry.name.isdigit()]
    version = path / str(1 + max(versions, default=0))
    partial = path / f".{version.name}.{os.getpid()}"  # TF Serving looks at numbers only
    try:
        write_signatures(model, partial, signatures, output_name)
        os.replace(partial, version)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return version


def write_signatures(model, directory, signatures, output_name, batch_size=None):
    """Writes a SavedModel of the fused model, with one signature an input type.

    Args:
        model: on the TensorFlow backend.
        directory: to write.
        signatures: dict from a signature's name to the type of its input `image`.
        output_name: of the scores.
        batch_size: integer, or None for a dynamic one.
    """
    import tensorflow as tf

    if can_be_fused(model):
        model = fuse(model)

    def scores(image):
        return {output_name: model(ops.cast(image, "float32"), training=False)}

    module = tf.Module()
    # Variables alone: to track the model would save its optimizer too, and Keras' own
    # ExportArchive saves every variable twice.
    module.model_variables = [variable.value for variable in model.variables]
    shape = (batch_size, *model.input_shape[1:])
    concrete = {
        name: tf.function(scores, [tf.TensorSpec(shape, dtype, name="image")])
        for name, dtype in signatures.items()
    }
    tf.saved_model.save(module, str(directory), signatures=concrete)


def classifier_output_name(model):
    """Returns what a model's scores are called in an export: "probabilities" or "logits".

    Raises:
        ValueError: the model has more than one input or output.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            "`model` must have one input and one output to be exported. "
            f"Received: model '{model.name}' with {len(model.inputs)} inputs and "
            f"{len(model.outputs)} outputs"
        )
    activation = getattr(model.layers[-1], "activation", None)
    return "logits" if activation in (None, keras.activations.linear) else "probabilities"
