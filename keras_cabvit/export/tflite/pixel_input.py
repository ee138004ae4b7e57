"""The input pixels of a TFLite model as a quantised tensor."""

from typing import Any

import numpy as np

from keras_cabvit.export.tflite.flatbuffer import operator_code


def dequantize_pixels(model: Any) -> None:
    """Replaces the CAST from uint8 to float32 with DEQUANTIZE with a scale of 1.

    The result is the same, but XNNPACK has a kernel only for DEQUANTIZE.

    Args:
        model: `ModelT`, which is changed.
    """
    from ai_edge_litert import schema_py_generated as schema

    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            if code != schema.BuiltinOperator.CAST:
                continue
            source, target = (
                graph.tensors[index] for index in (operator.inputs[0], operator.outputs[0])
            )
            types = (schema.TensorType.UINT8, schema.TensorType.FLOAT32)
            if (source.type, target.type) == types:
                operator.opcodeIndex = operator_code(model, schema.BuiltinOperator.DEQUANTIZE)
                operator.builtinOptions = None
                operator.builtinOptionsType = schema.BuiltinOptions.NONE
                source.quantization = _one_level_per_pixel_value()


def read_pixels_as_they_are(model: Any) -> None:
    """Gives the uint8 input of an integer model a scale of 1, whatever its first operation.

    Operations like MINIMUM have one scale for inputs and output, so that the converter gives the
    input of a model that begins with `keras.ops.clip(image, 0, 200)` the range 0..200, and its
    pixels would be read as 200 / 255 of what they are. The QUANTIZE after the input takes them to
    that range instead, and what exceeds it is what the operation would cut off.

    Args:
        model: `ModelT`, which is changed.
    """
    for graph in model.subgraphs:
        for index in graph.inputs:
            graph.tensors[index].quantization = _one_level_per_pixel_value()


def _one_level_per_pixel_value() -> Any:
    from ai_edge_litert import schema_py_generated as schema

    quantization = schema.QuantizationParametersT()
    quantization.scale = np.ones(1, "float32")
    quantization.zeroPoint = np.zeros(1, "int64")
    return quantization


def with_whole_pixel_range(images: np.ndarray) -> np.ndarray:
    """Returns calibration images that give an integer model's input one level per pixel value.

    The converter takes the range of the input from the images: if they are dark, 255 would mean
    their brightest pixel, and every image would be read as darker than it is. Of all their values
    the smallest becomes 0 and the largest 255. The converter then gives the range 0..255 to the
    input, and to all that depends on it: the bias of a first convolution, the constants of a
    padding, the other inputs of a concatenation.

    Args:
        images: uint8 array (count, height, width, channels) of at least two different values.
    """
    images = images.copy()
    images.flat[[images.argmin(), images.argmax()]] = 0, 255
    return images
