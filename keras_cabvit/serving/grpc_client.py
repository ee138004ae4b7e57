"""A client for TF Serving's gRPC interface."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from keras_cabvit.serving import messages as protocol
from keras_cabvit.serving.answer import (
    NOT_AN_EXPORT,
    SIGNATURE,
    Answer,
    ServerError,
    ServerUnavailable,
    VersionStatus,
    in_requests,
)
from keras_cabvit.serving.target import Target

# A request may hold many photos; gRPC's default limit is 4 MB.
_LARGEST_MESSAGE = 1 << 30


class GrpcClient:
    """A connection to TF Serving's gRPC interface, which several threads may use at once.

    It needs neither TensorFlow nor tensorflow-serving-api.

    Args:
        target: `Target` with "HOST:PORT" as its address.

    Raises:
        ImportError: grpcio or protobuf is not installed.

    Example:
        >>> from keras_cabvit.serving import GrpcClient, Target
        >>> with GrpcClient(Target("127.0.0.1:8500", version=2, retries=0, timeout=1)) as client:
        ...     client.classify([b"an image file"])
        Traceback (most recent call last):
        ...
        keras_cabvit.serving.answer.ServerUnavailable: No server answers at 127.0.0.1:8500: ...
    """

    def __init__(self, target: Target):
        try:
            import grpc

            self._messages = protocol.messages()
        except ImportError as error:
            raise ImportError(
                'The gRPC client needs grpcio and protobuf: pip install "keras-cabvit[serving]"'
            ) from error
        self.target = target
        options = [
            ("grpc.max_send_message_length", _LARGEST_MESSAGE),
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
            # `Target.attempt` retries, always with a new connection.
            ("grpc.enable_retries", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 400),
        ]
        if target.uses_tls:
            credentials = grpc.ssl_channel_credentials(
                _content(target.ca_certificate),
                _content(target.client_key or target.client_certificate),
                _content(target.client_certificate),
            )
            self._channel = grpc.secure_channel(target.address, credentials, options)
        else:
            self._channel = grpc.insecure_channel(target.address, options)
        metadata = [(name.lower(), value) for name, value in target.headers.items()]

        def method(path: str, response: Any) -> Callable[[Any], Any]:
            call = self._channel.unary_unary(
                path,
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=response.FromString,
            )

            def ask(request: Any) -> Any:
                try:
                    return call(request, timeout=target.timeout, metadata=metadata)
                except grpc.RpcError as error:
                    raise _error(error, target) from error

            return lambda request: target.attempt(lambda: ask(request))

        self._predict = method(protocol.PREDICT, self._messages.PredictResponse)
        self._model_status = method(protocol.MODEL_STATUS, self._messages.GetModelStatusResponse)

    def __enter__(self) -> "GrpcClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def classify(self, files: Sequence[bytes]) -> list[Answer]:
        """Sends one request with the contents of image files, and returns an `Answer` per file.

        Raises:
            ServerError: the server does not answer, or returns an error.
        """
        request = self._messages.PredictRequest(model_spec=self._model_spec())
        request.model_spec.signature_name = SIGNATURE
        request.inputs.add(key="image_bytes", value=protocol.string_tensor(list(files)))
        outputs = {entry.key: entry.value for entry in self._predict(request).outputs}
        try:
            columns = [
                protocol.rows_of(outputs[name])
                for name in ("classes", "labels", "scores", "status")
            ]
            answers = [
                Answer(
                    tuple(classes), tuple(map(bytes.decode, labels)), tuple(scores), status.decode()
                )
                for classes, labels, scores, status in zip(*columns, strict=True)
            ]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ServerError(NOT_AN_EXPORT) from error
        if len(answers) != len(files):
            raise ServerError("The number of answers differs from the number of images.")
        return answers

    def status(self) -> list[VersionStatus]:
        """Returns the state of the version asked for, or of all versions that the server knows.

        Raises:
            ServerError: the server does not answer, or returns an error.
        """
        request = self._messages.GetModelStatusRequest(model_spec=self._model_spec())
        return [
            VersionStatus(
                version.version,
                protocol.STATES.get(version.state, str(version.state)),
                self.target.hidden(version.status.error_message),
            )
            for version in self._model_status(request).model_version_status
        ]

    def _model_spec(self) -> Any:
        spec = self._messages.ModelSpec(name=self.target.model)
        if self.target.version is not None:
            spec.version.value = self.target.version
        if self.target.version_label is not None:
            spec.version_label = self.target.version_label
        return spec


def classify_over_grpc(
    files: Sequence[bytes],
    address: str,
    model: str = "cabvit",
    timeout: float = 10.0,
    retries: int = 3,
    batch_size: int = 8,
    **options: Any,
) -> list[Answer]:
    """Asks a server to classify image files, one request after the other.

    Args:
        files: list of bytes, the contents of image files.
        address: "HOST:PORT" of the server.
        model: name of the model on the server. Defaults to "cabvit".
        timeout: float, see `Target`.
        retries: integer, see `Target`.
        batch_size: integer, number of files per request: at most the server's `max_batch_size`.
            Defaults to 8, as in deploy/serving.
        **options: further arguments of `Target`.

    Returns:
        A list of `Answer`, one per file.

    Raises:
        ServerError: the server does not answer, or returns an error.
        ValueError: an argument is wrong.
        ImportError: grpcio or protobuf is not installed.
    """
    with GrpcClient(Target(address, model, timeout=timeout, retries=retries, **options)) as client:
        return in_requests(client.classify, files, batch_size)


def _content(path: Any) -> bytes | None:
    return None if path is None else path.read_bytes()


def _error(error: Any, target: Target) -> ServerError:
    """Returns a `ServerError` that explains gRPC's status."""
    import grpc

    code, details = error.code(), target.hidden(error.details() or "")
    address = target.hidden(target.address)
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return ServerError(f"{address} did not answer within {target.timeout:g} seconds.")
    if code == grpc.StatusCode.UNAVAILABLE:
        broken = re.search("Handshake (read|write) failed", details)
        refused = "SSL_ERROR_SSL" in details or "CERTIFICATE" in details
        if "handshake" in details.lower() and (refused or not broken):
            return ServerError(f"No secure connection to {address}: {details}.")
        if details.startswith(("failed to connect", "DNS resolution failed")):
            return ServerUnavailable(f"No server answers at {address}: {details}.")
        return ServerUnavailable(
            f"{address} could not answer, or closed the connection: {details}."
        )
    return ServerError(f"The server answered {code.name}: {details}")
