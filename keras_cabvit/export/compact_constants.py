"""Stores what a TFLite model adds to its attention maps in fewer bytes."""

import numpy as np

# Biases of channels are smaller, and matter more.
_SMALLEST = 4096


def compact_added_constants(content):
    """Stores the large float32 constants of additions as int8, in place of four bytes a value.

    These are the position biases, expanded to one value a pair of tokens. Rounded to 255 levels
    they change the logits less than a thousandth of what int8 weights do. LiteRT turns them into
    floats once, when it loads the model.

    Args:
        content: bytes of a .tflite file whose constants lie inside its flatbuffer.

    Returns:
        The bytes of the changed file.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    added = schema.BuiltinOperator.ADD
    for graph in model.subgraphs:
        operators = []
        for operator in graph.operators:
            if model.operatorCodes[operator.opcodeIndex].builtinCode == added:
                for index in operator.inputs:
                    values = _large_constant(schema, model, graph.tensors[index])
                    if values is not None:
                        operators.append(_dequantize(schema, model, graph, index, values))
            operators.append(operator)
        graph.operators = operators
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _large_constant(schema, model, tensor):
    """Returns the values of a tensor that is a large float32 constant, else None."""
    data = model.buffers[tensor.buffer].data
    if data is None or tensor.type != schema.TensorType.FLOAT32 or len(data) < 4 * _SMALLEST:
        return None
    return np.frombuffer(bytes(data), "float32")


def _dequantize(schema, model, graph, index, values):
    """Makes a tensor the result of an operation on an int8 constant, and returns the operation."""
    tensor = graph.tensors[index]
    scale = float(np.abs(values).max()) / 127 or 1.0
    constant = schema.TensorT()
    constant.name = bytes(tensor.name) + b"_int8"
    constant.shape = tensor.shape
    constant.type = schema.TensorType.INT8
    constant.quantization = schema.QuantizationParametersT()
    constant.quantization.scale = [scale]
    constant.quantization.zeroPoint = [0]
    constant.buffer = len(model.buffers)
    buffer = schema.BufferT()
    buffer.data = np.rint(values / scale).astype("int8").view("uint8")
    model.buffers.append(buffer)
    model.buffers[tensor.buffer].data = None
    tensor.buffer = 0  # the empty one: the values are computed now
    graph.tensors.append(constant)

    operation = schema.OperatorT()
    operation.opcodeIndex = _operator_code(schema, model, schema.BuiltinOperator.DEQUANTIZE)
    operation.inputs = [len(graph.tensors) - 1]
    operation.outputs = [index]
    return operation


def _operator_code(schema, model, builtin):
    """Returns the place of an operator in the model's list, where it is added if need be."""
    for place, code in enumerate(model.operatorCodes):
        if code.builtinCode == builtin:
            return place
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 2  # the first that takes int8
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
