"""A .tflite file as objects that can be changed, and back."""

import numpy as np

_EXTERNAL = 1  # smaller offsets mean that a buffer lies in the flatbuffer


def unpack(content):
    """Returns the `ModelT` of a .tflite file, with all of its buffers.

    litert-quantizer leaves large buffers behind the flatbuffer, where only new runtimes look; here
    they come back into it.

    Args:
        content: bytes of the file.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for buffer in model.buffers:
        if buffer.offset > _EXTERNAL:
            buffer.data = np.frombuffer(content, "uint8", buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def pack(model):
    """Returns the bytes of the .tflite file of a `ModelT`."""
    import flatbuffers

    size = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = flatbuffers.Builder(size + size // 8 + 2**20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def operator_code(model, builtin, version=1):
    """Returns the place of an operator in a model's list, where it is added if need be.

    Args:
        model: `ModelT`.
        builtin: a value of the schema's `BuiltinOperator`.
        version: integer, the first that can do what is asked of it.
    """
    from ai_edge_litert import schema_py_generated as schema

    for place, code in enumerate(model.operatorCodes):
        if code.builtinCode == builtin and code.version >= version:
            return place
    code = schema.OperatorCodeT()
    code.builtinCode = builtin
    # Old runtimes read this field of one byte, and newer ones the other.
    code.deprecatedBuiltinCode = min(builtin, 127)
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
