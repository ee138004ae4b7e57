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
                source.quantization = schema.QuantizationParametersT()
                source.quantization.scale = np.ones(1, "float32")
                source.quantization.zeroPoint = np.zeros(1, "int64")


def take_whole_pixel_range(model: Any) -> None:
    """Sets the range of an integer model's input to 0..255, one level per pixel value.

    The converter takes its scale from the calibration images: if they are dark, 255 would mean
    their brightest pixel, and every image would be read as darker than it is. Operations that only
    move pixels, such as padding, have the same range on both sides, and keep it.

    Args:
        model: `ModelT`, which is changed.
    """
    from ai_edge_litert import schema_py_generated as schema

    for graph in model.subgraphs:
        (pixels,) = graph.inputs
        _set_range(graph.tensors[pixels], 0)
        before: dict[int, Any] = {}  # the ranges that pixels in int8 had, by tensor
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            if code == schema.BuiltinOperator.QUANTIZE and operator.inputs[0] == pixels:
                moved = list(operator.outputs)
            else:
                ranges = [before[index] for index in operator.inputs if index in before]
                moved = [each for each in operator.outputs if _range(graph.tensors[each]) in ranges]
            for output in moved:
                before[output] = _range(graph.tensors[output])
                _set_range(graph.tensors[output], -128)


def _range(tensor: Any) -> tuple[float, int] | None:
    """Returns the scale and the zero point of an int8 tensor, or None for any other."""
    from ai_edge_litert import schema_py_generated as schema

    stated = tensor.quantization
    if tensor.type != schema.TensorType.INT8 or stated is None or stated.scale is None:
        return None
    return float(stated.scale[0]), int(stated.zeroPoint[0])


def _set_range(tensor: Any, zero_point: int) -> None:
    tensor.quantization.scale = [1.0]
    tensor.quantization.zeroPoint = [zero_point]
