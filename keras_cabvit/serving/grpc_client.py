"""A client for TF Serving's gRPC interface."""

import json
from collections.abc import Sequence

from keras_cabvit.serving.answer import NOT_AN_EXPORT, SIGNATURE, Answer, ServerError, requests_of

_SERVICE = "tensorflow.serving.PredictionService"
# A request may hold many photos; gRPC's default limit is 4 MB.
_LARGEST_MESSAGE = 1 << 30


def classify_over_grpc(
    files: Sequence[bytes],
    address: str,
    model: str = "cabvit",
    timeout: float = 10.0,
    retries: int = 3,
    batch_size: int = 8,
) -> list[Answer]:
    """Asks a server to classify image files.

    Args:
        files: list of bytes, the contents of image files.
        address: "HOST:PORT" of the server.
        model: name of the model on the server. Defaults to "cabvit".
        timeout: float, seconds to wait for the answer to a request, including all retries.
        retries: integer, at most 4, number of further attempts while the server is unreachable.
            The first waits up to half a second, each later one up to twice as long as the last.
        batch_size: integer, number of files per request: at most the server's `max_batch_size`.
            Defaults to 8, as in deploy/serving.

    Returns:
        A list of `Answer`, one per file.

    Raises:
        ServerError: the server does not answer, or returns an error.
        ValueError: `batch_size` is below 1.
        ImportError: tensorflow-serving-api is not installed.
    """
    try:
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
    except ImportError as error:
        raise ImportError(
            'The gRPC client needs tensorflow-serving-api: pip install "keras-cabvit[serving]"'
        ) from error

    def classify(stub, files):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = model
        request.model_spec.signature_name = SIGNATURE
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(files, tf.string))
        try:
            response = stub.Predict(request, timeout=timeout)
        except grpc.RpcError as error:
            raise _error(error, address, timeout) from error
        try:
            columns = [
                tf.make_ndarray(response.outputs[name]).tolist()
                for name in ("classes", "labels", "scores", "status")
            ]
        except TypeError as error:
            raise ServerError(NOT_AN_EXPORT) from error
        return [
            Answer(tuple(classes), tuple(map(bytes.decode, labels)), tuple(scores), status.decode())
            for classes, labels, scores, status in zip(*columns, strict=True)
        ]

    with grpc.insecure_channel(address, options=_options(retries)) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return [
            answer for some in requests_of(files, batch_size) for answer in classify(stub, some)
        ]


def _options(retries):
    options = [
        ("grpc.max_send_message_length", _LARGEST_MESSAGE),
        ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
    ]
    if retries:
        policy = {
            "maxAttempts": 1 + retries,
            "initialBackoff": "0.5s",
            "maxBackoff": "8s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        config = {"methodConfig": [{"name": [{"service": _SERVICE}], "retryPolicy": policy}]}
        options.append(("grpc.service_config", json.dumps(config)))
    return options


def _error(error, address, timeout):
    """Returns a `ServerError` that explains gRPC's status."""
    import grpc

    code, details = error.code(), error.details()
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return ServerError(f"{address} did not answer within {timeout:g} seconds.")
    if code == grpc.StatusCode.UNAVAILABLE:
        if details.startswith(("failed to connect", "DNS resolution failed")):
            return ServerError(f"No server answers at {address}: {details}.")
        return ServerError(f"{address} could not answer, or closed the connection: {details}.")
    return ServerError(f"The server answered {code.name}: {details}")
