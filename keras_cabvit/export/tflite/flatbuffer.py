"""Conversion of a .tflite file to mutable objects, and back."""

from typing import Any

import numpy as np

_EXTERNAL = 1  # smaller offsets mean that a buffer is inside the flatbuffer


def unpack(content: bytes) -> Any:
    """Returns the `ModelT` of a .tflite file, with all its buffers.

    litert-quantizer puts large buffers after the flatbuffer, where only recent runtimes look; they
    are moved back into it.

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


def pack(model: Any) -> bytes:
    """Returns the bytes of a .tflite file for a `ModelT`."""
    import flatbuffers

    size = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = flatbuffers.Builder(size + size // 8 + 2**20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def operator_code(model: Any, builtin: int, version: int = 1) -> int:
    """Returns the index of an operator in a model's list, adding it first if necessary.

    Args:
        model: `ModelT`.
        builtin: a value of the schema's `BuiltinOperator`.
        version: integer, the lowest version that supports the operation.
    """
    from ai_edge_litert import schema_py_generated as schema

    for place, code in enumerate(model.operatorCodes):
        if code.builtinCode == builtin and code.version >= version:
            return place
    code = schema.OperatorCodeT()
    code.builtinCode = builtin
    # Old runtimes read this one-byte field, newer ones the other.
    code.deprecatedBuiltinCode = min(builtin, 127)
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
