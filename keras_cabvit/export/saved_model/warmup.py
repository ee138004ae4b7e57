"""Requests that TF Serving replays when it loads a model, so that no client waits for it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_warmup_requests(
    directory: str | os.PathLike[str],
    name: str,
    inputs: Mapping[str, tuple[str, Any]],
    batch_sizes: Sequence[int],
) -> None:
    """Writes one request per signature and batch size.

    (TensorFlow Serving's guide, "SavedModel Warmup".)

    Args:
        directory: directory of the SavedModel.
        name: name of the servable.
        inputs: dict from a signature's name to a tuple: the name of its input, and one example, a
            numpy array filled with one value or bytes.
        batch_sizes: integers.

    Raises:
        ImportError: tensorflow-serving-api, which defines the format of the requests, is missing.
    """
    import tensorflow as tf

    try:
        from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2
    except ImportError as error:
        raise ImportError(
            'Warm-up requests need tensorflow-serving-api: pip install "keras-cabvit[export]". '
            "Pass batch_sizes=() to export without them."
        ) from error
    folder = Path(directory) / "assets.extra"
    folder.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as file:
        for signature, (input_name, example) in inputs.items():
            for batch_size in batch_sizes:
                request = predict_pb2.PredictRequest(
                    model_spec=model_pb2.ModelSpec(name=name, signature_name=signature)
                )
                request.inputs[input_name].CopyFrom(_repeated(example, batch_size))
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                file.write(log.SerializeToString())


def _repeated(example: Any, batch_size: int) -> Any:
    """Returns the TensorProto of a batch, in which one value also stands for all that follow."""
    import tensorflow as tf

    if isinstance(example, bytes):
        return tf.make_tensor_proto([example] * batch_size)
    # A single value with the shape of the batch is stored once.
    return tf.make_tensor_proto(example.flat[0], shape=(batch_size, *example.shape))
