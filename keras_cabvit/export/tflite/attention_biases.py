"""Compact storage for the biases that a TFLite model adds to its attention maps."""

from typing import Any

import numpy as np

from keras_cabvit.export.tflite.flatbuffer import operator_code


def compact_attention_biases(model: Any, dtype: str) -> None:
    """Stores the float32 constants added to products of tokens in fewer bytes per value.

    These are the position biases, expanded to one value per pair of tokens. LiteRT converts them to
    float32 once, when it loads the model. Rounding them to float16 changes the logits about as much
    as the order of additions does; rounding them to 255 levels, less than a thousandth as much as
    int8 weights do.

    Args:
        model: `ModelT`, which is changed.
        dtype: "float16" or "int8".
    """
    from ai_edge_litert import schema_py_generated as schema

    for graph in model.subgraphs:
        operators: list[Any] = []
        products: set[int] = set()
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            if code == schema.BuiltinOperator.BATCH_MATMUL:
                products.update(operator.outputs)
            elif code == schema.BuiltinOperator.ADD and not products.isdisjoint(operator.inputs):
                operators += [
                    _dequantize(model, graph, index, dtype)
                    for index in operator.inputs
                    if _is_float_constant(model, graph.tensors[index])
                ]
            operators.append(operator)
        graph.operators = operators


def _is_float_constant(model: Any, tensor: Any) -> bool:
    from ai_edge_litert import schema_py_generated as schema

    is_float = tensor.type == schema.TensorType.FLOAT32
    return is_float and model.buffers[tensor.buffer].data is not None


def _dequantize(model: Any, graph: Any, index: int, dtype: str) -> Any:
    """Makes a tensor the output of an operation on a compact constant; returns the operation."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = graph.tensors[index]
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), "float32")
    stored = schema.TensorT()
    stored.name = bytes(tensor.name) + f"_{dtype}".encode()
    stored.shape = tensor.shape
    buffer = schema.BufferT()
    if dtype == "int8":
        scale = float(np.abs(values).max()) / 127 or 1.0
        stored.type = schema.TensorType.INT8
        stored.quantization = schema.QuantizationParametersT()
        stored.quantization.scale = [scale]
        stored.quantization.zeroPoint = [0]
        buffer.data = np.rint(values / scale).astype("int8").view("uint8")
    else:
        stored.type = schema.TensorType.FLOAT16
        buffer.data = values.astype("float16").view("uint8")
    stored.buffer = len(model.buffers)
    model.buffers.append(buffer)
    users = [other.buffer for each in model.subgraphs for other in each.tensors]
    if users.count(tensor.buffer) == 1:  # equal constants may share a buffer
        model.buffers[tensor.buffer].data = None
    tensor.buffer = 0  # the empty buffer: the values are now computed
    graph.tensors.append(stored)

    operation = schema.OperatorT()
    operation.opcodeIndex = operator_code(
        model, schema.BuiltinOperator.DEQUANTIZE, version={"int8": 2, "float16": 3}[dtype]
    )
    operation.inputs = [len(graph.tensors) - 1]
    operation.outputs = [index]
    return operation
