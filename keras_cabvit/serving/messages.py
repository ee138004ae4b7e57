"""The messages of TF Serving's gRPC interface that a client needs.

The package tensorflow-serving-api has them all, but imports TensorFlow. A message is encoded by
the numbers and types of its fields alone: these are equal to TF Serving's, whatever the names.
"""

import functools
import math
import struct
from types import SimpleNamespace
from typing import Any

PREDICT = "/tensorflow.serving.PredictionService/Predict"
MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"

# Values of tensorflow.DataType.
FLOAT, DOUBLE, INT32, STRING, INT64 = 1, 2, 3, 7, 9
STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}

# Each message's fields: {name: (number, type)}, with * for a repeated field. An enumeration is
# encoded as an int32; a map is a repeated message of a key and a value.
FIELDS = {
    "Dim": {"size": (1, "int64")},
    "TensorShapeProto": {"dim": (2, "*Dim")},
    "TensorProto": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShapeProto"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "*float"),
        "double_val": (6, "*double"),
        "int_val": (7, "*int32"),
        "string_val": (8, "*bytes"),
        "int64_val": (10, "*int64"),
    },
    "Int64Value": {"value": (1, "int64")},
    "ModelSpec": {
        "name": (1, "string"),
        "version": (2, "Int64Value"),
        "version_label": (4, "string"),
        "signature_name": (3, "string"),
    },
    "NamedTensor": {"key": (1, "string"), "value": (2, "TensorProto")},
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "*NamedTensor")},
    "PredictResponse": {"outputs": (1, "*NamedTensor")},
    "GetModelStatusRequest": {"model_spec": (1, "ModelSpec")},
    "StatusProto": {"error_code": (1, "int32"), "error_message": (2, "string")},
    "ModelVersionStatus": {
        "version": (1, "int64"),
        "state": (2, "int32"),
        "status": (3, "StatusProto"),
    },
    "GetModelStatusResponse": {"model_version_status": (1, "*ModelVersionStatus")},
}


@functools.cache
def messages() -> Any:
    """Creates the classes of all messages, as attributes of one object.

    Raises:
        ImportError: protobuf is not installed.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="keras_cabvit/serving.proto", package="keras_cabvit.serving", syntax="proto3"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in FIELDS.items():
        described = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            added = described.field.add(name=name, number=number)
            added.label = kinds.LABEL_REPEATED if kind[0] == "*" else kinds.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            if kind in FIELDS:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".{file.package}.{kind}"
            else:
                added.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return SimpleNamespace(
        **{
            name: message_factory.GetMessageClass(
                pool.FindMessageTypeByName(f"{file.package}.{name}")
            )
            for name in FIELDS
        }
    )


def string_tensor(values: list[bytes]) -> Any:
    """Returns a `TensorProto` of strings (len(values),)."""
    tensor = messages().TensorProto(dtype=STRING, string_val=values)
    tensor.tensor_shape.dim.add(size=len(values))
    return tensor


def rows_of(tensor: Any) -> list[Any]:
    """Returns a tensor of one dimension as a list, and one of two as a list of lists.

    Raises:
        ValueError: it has other dimensions or another type, or not as many values as its shape.
    """
    shape = [dimension.size for dimension in tensor.tensor_shape.dim]
    kinds = {FLOAT: ("float_val", "f"), DOUBLE: ("double_val", "d"), STRING: ("string_val", None)}
    kinds |= {INT32: ("int_val", "i"), INT64: ("int64_val", "q")}
    if len(shape) not in (1, 2) or tensor.dtype not in kinds:
        raise ValueError(f"A tensor of type {tensor.dtype} and shape {shape}.")
    name, code = kinds[tensor.dtype]
    count = math.prod(shape)
    if tensor.tensor_content and code:
        if len(tensor.tensor_content) != count * struct.calcsize(f"<{code}"):
            raise ValueError(f"The content of a tensor does not have its shape, {shape}.")
        values = list(struct.unpack(f"<{count}{code}", tensor.tensor_content))
    else:
        values = list(getattr(tensor, name))
        if values:  # TensorFlow leaves out repetitions of the last value
            values += values[-1:] * (count - len(values))
    if len(values) != count:
        raise ValueError(f"A tensor has {len(values)} values for its shape, {shape}.")
    if len(shape) == 1:
        return values
    return [values[start : start + shape[1]] for start in range(0, count, shape[1])]
