"""Makes the pixels that a TFLite model takes a quantised tensor."""

import numpy as np

from keras_cabvit.export.flatbuffer import operator_code


def dequantize_pixels(model):
    """Puts DEQUANTIZE, with a scale of 1, in the place of the CAST from uint8 to float32.

    The result is the same, and XNNPACK has a kernel for the one and none for the other.

    Args:
        model: `ModelT`, which is changed.
    """
    from ai_edge_litert import schema_py_generated as schema

    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            source = graph.tensors[operator.inputs[0]] if len(operator.inputs) else None
            if (
                code == schema.BuiltinOperator.CAST
                and source.type == schema.TensorType.UINT8
                and graph.tensors[operator.outputs[0]].type == schema.TensorType.FLOAT32
            ):
                operator.opcodeIndex = operator_code(model, schema.BuiltinOperator.DEQUANTIZE)
                operator.builtinOptions = None
                operator.builtinOptionsType = schema.BuiltinOptions.NONE
                source.quantization = schema.QuantizationParametersT()
                source.quantization.scale = np.ones(1, "float32")
                source.quantization.zeroPoint = np.zeros(1, "int64")
