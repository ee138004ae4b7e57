"""The messages of gRPC are TF Serving's."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import wrappers_pb2
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
from tensorflow_serving.apis import get_model_status_pb2, model_pb2, predict_pb2
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from keras_cabvit.serving import messages

THEIRS = {
    "Dim": tensor_shape_pb2.TensorShapeProto.Dim.DESCRIPTOR,
    "TensorShapeProto": tensor_shape_pb2.TensorShapeProto.DESCRIPTOR,
    "TensorProto": tensor_pb2.TensorProto.DESCRIPTOR,
    "Int64Value": wrappers_pb2.Int64Value.DESCRIPTOR,
    "ModelSpec": model_pb2.ModelSpec.DESCRIPTOR,
    "NamedTensor": predict_pb2.PredictRequest.InputsEntry.DESCRIPTOR,
    "PredictRequest": predict_pb2.PredictRequest.DESCRIPTOR,
    "PredictResponse": predict_pb2.PredictResponse.DESCRIPTOR,
    "GetModelStatusRequest": get_model_status_pb2.GetModelStatusRequest.DESCRIPTOR,
    "StatusProto": ModelVersionStatus.DESCRIPTOR.fields_by_name["status"].message_type,
    "ModelVersionStatus": ModelVersionStatus.DESCRIPTOR,
    "GetModelStatusResponse": get_model_status_pb2.GetModelStatusResponse.DESCRIPTOR,
}


def field(described):
    """Returns what decides a field's encoding; an enumeration is encoded as an int32."""
    kind = described.TYPE_INT32 if described.type == described.TYPE_ENUM else described.type
    return described.number, kind, described.is_repeated


def test_fields_are_encoded_as_tf_servings():
    assert THEIRS.keys() == messages.FIELDS.keys()
    for name, theirs in THEIRS.items():
        ours = getattr(messages.messages(), name).DESCRIPTOR
        for described in ours.fields:
            assert field(described) == field(theirs.fields_by_name[described.name])


def test_states_are_tf_servings():
    states = ModelVersionStatus.State
    assert {number: name for name, number in states.items()} == messages.STATES


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "S"])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 3)])
@pytest.mark.parametrize("constant", [False, True])
def test_tensors_are_read_in_every_encoding(dtype, shape, constant):
    values = np.arange(np.prod(shape)).reshape(shape)
    values = (values * (not constant)).astype(dtype)
    # As values, in which repetitions are left out, and as the content of memory.
    for proto in (tf.make_tensor_proto(values), tf.make_tensor_proto(values.tolist(), shape=shape)):
        ours = messages.messages().TensorProto.FromString(proto.SerializeToString())
        if dtype != "S" or values.size:
            ours.dtype = tf.as_dtype(values.dtype if dtype != "S" else tf.string).as_datatype_enum
        if ours.dtype == proto.dtype:
            assert messages.rows_of(ours) == values.tolist()


def test_tensor_without_its_values_is_refused():
    tensor = messages.string_tensor([b"a", b"b"])
    del tensor.string_val[:]
    with pytest.raises(ValueError, match="0 values for its shape"):
        messages.rows_of(tensor)
    tensor.dtype = 10  # a boolean
    with pytest.raises(ValueError, match="type 10"):
        messages.rows_of(tensor)
