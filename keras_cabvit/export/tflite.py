"""Export to a .tflite file, as LiteRT and MediaPipe run it on Android."""

import os
import tempfile
from pathlib import Path

from keras_cabvit.export.saved_model import (
    classifier_output_name,
    pixel_functions,
    write_functions,
)
from keras_cabvit.export.tensorflow_process import exports_with_tensorflow

QUANTIZATIONS = ("none", "float16", "int8")


@exports_with_tensorflow
def tflite(model, path, quantization="int8"):
    """Writes the model as a .tflite file with built-in operations only, whole or not at all.

    It takes one image, uint8 (1, height, width, channels), named `image`, and gives float32
    `probabilities`, or `logits` where the model ends without an activation.

    Args:
        model: with one image input; of this library, or any that ends in a classifier.
        path: file to write, ending in `.tflite`; one that exists is replaced.
        quantization: "none" keeps float32. "float16" stores weights in half the bytes and computes
            in float32. "int8", the default, stores the weights of dense layers and convolutions as
            int8 and multiplies in int8, with the range of the activations taken at run time, so
            that it needs no calibration images.

    Returns:
        The path of the file.

    Raises:
        ImportError: TensorFlow is not installed.
        ValueError: `quantization` or `path` is wrong, or the model has more than one input or
            output.

    Example:
        >>> import tempfile
        >>> model = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3), classes=10)
        >>> keras_cabvit.export.tflite(model, tempfile.mkdtemp() + "/model.tflite").name
        'model.tflite'
    """
    import tensorflow as tf

    path = Path(path)
    if quantization not in QUANTIZATIONS:
        raise ValueError(
            f"`quantization` must be one of {QUANTIZATIONS}. "
            f"Received: quantization={quantization!r}"
        )
    if path.suffix != ".tflite":
        raise ValueError(f"`path` must end in .tflite. Received: path={str(path)!r}")
    output_name = classifier_output_name(model)

    # Batch 1 leaves no shape arithmetic in the graph, and is what MediaPipe takes.
    with tempfile.TemporaryDirectory() as folder:
        functions = pixel_functions(model, {"serving_default": "uint8"}, output_name, batch_size=1)
        write_functions(functions, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if quantization != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        content = converter.convert()

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path
