"""Export to a .tflite file, as LiteRT and MediaPipe run it on Android."""

import contextlib
import io
import os
import tempfile
from pathlib import Path

from keras_cabvit.export.compact_constants import compact_added_constants
from keras_cabvit.export.saved_model import (
    classifier_output_name,
    inference_form,
    pixel_functions,
    write_functions,
)
from keras_cabvit.export.tensorflow_process import exports_with_tensorflow

QUANTIZATIONS = ("none", "float16", "int8")
# XNNPACK's depthwise kernels have 25 taps at most: 3x7 are fast, 7x7 are not.
_KERNEL_ROWS = 3


@exports_with_tensorflow
def tflite(model, path, quantization="int8"):
    """Writes the model as a .tflite file with built-in operations only, whole or not at all.

    It takes one image, uint8 (1, height, width, channels), named `image`, and gives float32
    `probabilities`, or `logits` where the model ends without an activation.

    Args:
        model: with one image input; of this library, or any that ends in a classifier.
        path: file to write, ending in `.tflite`; one that exists is replaced.
        quantization: "none" keeps float32. "float16" stores weights in half the bytes and computes
            in float32. "int8", the default, stores the weights of dense layers and convolutions,
            and the position biases, as int8, and multiplies in int8, with the range of the
            activations taken at run time, so that it needs no calibration images. Depthwise
            convolutions, normalisations and attention maps, which are a small part of the work, are
            computed in float32.

    Returns:
        The path of the file.

    Raises:
        ImportError: TensorFlow is not installed, or litert-quantizer, for int8.
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
        model = inference_form(model, kernel_rows=_KERNEL_ROWS)
        functions = pixel_functions(model, {"serving_default": "uint8"}, output_name, batch_size=1)
        write_functions(model, functions, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if quantization == "float16":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        content = converter.convert()
    if quantization == "int8":
        content = _with_int8_products(compact_added_constants(content))

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _with_int8_products(content):
    """Returns a model whose dense layers and convolutions multiply in int8.

    The converter's own int8 takes the depthwise convolutions along, which XNNPACK does not compute
    with ranges taken at run time: they fall back to slow kernels and cut the graph into pieces.

    Args:
        content: bytes of a float32 .tflite file.
    """
    try:
        from litert_quantizer import qtyping, quantizer
    except ImportError as error:
        raise ImportError(
            'int8 needs litert-quantizer: pip install "keras-cabvit[export]"'
        ) from error
    recipe = quantizer.Quantizer(content)
    for operation in (qtyping.TFLOperationName.FULLY_CONNECTED, qtyping.TFLOperationName.CONV_2D):
        recipe.add_dynamic_config(regex=".*", operation_name=operation, num_bits=8)
    with contextlib.redirect_stdout(io.StringIO()):  # it reports sizes and times
        return bytes(recipe.quantize().quantized_model)
