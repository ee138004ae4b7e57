"""Conversion of a Keras model to the content of a .tflite file."""

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_cabvit.export.signatures import (
    float32_form,
    pixel_functions,
    write_functions,
)
from keras_cabvit.export.tensorflow_process import exports_with_tensorflow
from keras_cabvit.export.tflite.attention_biases import compact_attention_biases
from keras_cabvit.export.tflite.batched_bias import ComputedBatchedBias, StoredBatchedBias
from keras_cabvit.export.tflite.flat_depthwise import FlatDepthwiseConv2D
from keras_cabvit.export.tflite.flatbuffer import pack, unpack
from keras_cabvit.export.tflite.int8_products import with_calibrated_products, with_int8_products
from keras_cabvit.export.tflite.layer_normalization import LateEpsilonLayerNormalization
from keras_cabvit.export.tflite.pixel_input import (
    dequantize_pixels,
    read_pixels_as_they_are,
    with_whole_pixel_range,
)
from keras_cabvit.first_line import first_line
from keras_cabvit.layers import CrossBlockAttention, PaddedDepthwiseConv2D
from keras_cabvit.layers.flatten_layers import flatten_layers
from keras_cabvit.ops import definitions

# In addition to those of `keras_cabvit.inference`.
TFLITE_CLASSES = {
    PaddedDepthwiseConv2D: FlatDepthwiseConv2D,
    keras.layers.LayerNormalization: LateEpsilonLayerNormalization,
}
ATTENTION = {"stored": StoredBatchedBias, "computed": ComputedBatchedBias}


@exports_with_tensorflow
def convert(
    model: keras.Model,
    path: str | os.PathLike[str],
    output_name: str,
    quantization: str,
    input_type: str,
    attention_bias: str,
    images: str | os.PathLike[str] | None,
) -> Path:
    """Writes a .tflite file without metadata.

    Args:
        model: as in `to_tflite`.
        path: file to write.
        output_name: string, name of the scores.
        quantization: as in `to_tflite`.
        input_type: as in `to_tflite`.
        attention_bias: as in `to_tflite`.
        images: path of a .npy file with calibration images, or None.

    Returns:
        `path`.
    """
    pixels: Any = None if images is None else np.load(images)
    full = quantization == "int8-full"
    # Batch 1 leaves no shape arithmetic in the graph, and is what MediaPipe takes.
    with tempfile.TemporaryDirectory() as folder:
        model = float32_form(
            model,
            "TFLite computes in float32 or integers",
            inference_classes={**TFLITE_CLASSES, CrossBlockAttention: ATTENTION[attention_bias]},
        )
        # The converter turns a float input into integers, and leaves any other type unchanged.
        signatures = {"serving_default": "float32" if full else input_type}
        # The kernels take feature maps directly, and each change of shape is a copy.
        with definitions():
            # The converter makes constants of the weights in any case. As variables they would be
            # written and read first, which takes a quarter of the time.
            functions = pixel_functions(
                model, signatures, output_name, batch_size=1, frozen_weights=True
            )
            write_functions([], functions, folder)
        content = _converted(folder, model, quantization, pixels)
    converted = unpack(content)
    if full:
        read_pixels_as_they_are(converted)
    else:
        dequantize_pixels(converted)
        if quantization != "float16":
            compact_attention_biases(converted, "float16" if quantization == "none" else "int8")
    content = pack(converted)
    if quantization == "int8":
        content = with_int8_products(content)
    elif quantization == "int8-static":
        content = with_calibrated_products(content, pixels.astype(input_type))
    path = Path(path)
    path.write_bytes(content)
    return path


def _converted(folder: str, model: keras.Model, quantization: str, pixels: Any) -> bytes:
    """Returns what TensorFlow's converter makes of the SavedModel of a model.

    Raises:
        ValueError: it cannot convert the model.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import ConverterError

    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    elif quantization == "int8-full":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        images = with_whole_pixel_range(pixels)
        converter.representative_dataset = lambda: (
            {"image": image[None].astype("float32")} for image in images
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    try:
        with warnings.catch_warnings(action="ignore"):  # on deprecated interfaces
            return converter.convert()
    except ConverterError as error:
        for layer in flatten_layers(model):
            if getattr(layer, "quantization_mode", None):
                raise ValueError(
                    f"Layer '{layer.name}' is quantised to {layer.quantization_mode} by Keras, "
                    "which TensorFlow's converter cannot convert. Export the model from before "
                    '`quantize`: to_tflite(model, path, quantization="int8") quantises it '
                    "itself."
                ) from error
        raise ValueError(
            "TensorFlow's converter cannot convert this model to a .tflite file with built-in "
            f"operations only. It says: {first_line(error)}"
        ) from error
