"""Servers on loopback that imitate TF Serving and run the exported model."""

import base64
import contextlib
import io
import json
import re
import socket
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

LARGEST_BATCH = 8  # max_batch_size of deploy/serving


# The model's versions, their states and errors.
VERSIONS = ((3, "AVAILABLE", ""), (4, "END", "Data loss: not an sstable"))


def photograph(seed):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (80, 90, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


FILES = [photograph(0), b"no image", photograph(1)]


def too_many(count):
    """Returns TF Serving's message."""
    return f"Task size {count} is larger than maximum input batch size {LARGEST_BATCH}"


class Service(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """TF Serving's gRPC services, reduced to `Predict` and `GetModelStatus`.

    The model has the version 3, with the label "stable", and the version 4, which failed to load.

    Args:
        signatures: signatures of a loaded SavedModel.
        failures: list of gRPC statuses to return first, one per request.

    Attributes:
        metadata: dict of strings, what the last request was sent with.
    """

    def __init__(self, signatures, failures=()):
        self.signatures = signatures
        self.failures = list(failures)
        self.metadata = {}

    def GetModelStatus(self, request, context):
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state, message in VERSIONS:
            if request.model_spec.version.value in (0, version):
                added = response.model_version_status.add(version=version)
                added.state = get_model_status_pb2.ModelVersionStatus.State.Value(state)
                added.status.error_message = message
        return response

    def Predict(self, request, context):
        self.metadata = {entry.key: entry.value for entry in context.invocation_metadata()}
        if self.failures:
            context.abort(self.failures.pop(0), "the model is loading")
        chosen = request.model_spec
        if chosen.version.value not in (0, 3) or chosen.version_label not in ("", "stable"):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {chosen}")
        if request.model_spec.signature_name not in self.signatures:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, no_signature(request.model_spec.signature_name)
            )
        if request.model_spec.name != "cabvit":
            context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: Latest({request.model_spec.name})",
            )
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        if len(inputs["image_bytes"]) > LARGEST_BATCH:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, too_many(len(inputs["image_bytes"])))
        signature = self.signatures[request.model_spec.signature_name]
        outputs = signature(**{name: tf.constant(value) for name, value in inputs.items()})
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response


def no_signature(name):
    """Returns TF Serving's message."""
    return f'Serving signature name: "{name}" not found in signature def'


@contextlib.contextmanager
def grpc_server(service, credentials=None):
    """Runs a service, over TLS if there are `credentials`; yields its "HOST:PORT"."""
    server = grpc.server(
        futures.ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", 1 << 28)]
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)


@contextlib.contextmanager
def http_server(answer, received=None, sent=(), context=None):
    """Runs an HTTP server; yields its URL.

    Args:
        answer: function from a path and a request (decoded JSON, None for GET) to a status and a
            response (to be encoded as JSON, or bytes).
        received: dict that is given the last request's headers.
        sent: dict of headers to send.
        context: `ssl.SSLContext`, for TLS.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            if received is not None:
                received.update(self.headers)
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status, content = answer(self.path, json.loads(body) if body else None)
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in dict(sent).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client may close its connection
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http{'s' * (context is not None)}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def rest_answers(signatures):
    """Returns a function that answers as TF Serving does, for `http_server`.

    :predict is answered in the row format. The versions are those of `Service`.
    """

    def answer(path, request):
        if request is None:
            (asked,) = re.fullmatch(r"/v1/models/cabvit(?:/versions/(\d+))?", path).groups()
            return 200, {
                "model_version_status": [
                    {"version": str(version), "state": state, "status": {"error_message": message}}
                    for version, state, message in VERSIONS
                    if asked in (None, str(version))
                ]
            }
        if not re.fullmatch(r"/v1/models/cabvit(/versions/3|/labels/stable)?:predict", path):
            name = path.split("/")[-1].split(":")[0]
            return 404, {"error": f"Servable not found for request: Latest({name})"}
        if request["signature_name"] not in signatures:
            return 400, {"error": no_signature(request["signature_name"])}
        files = [base64.b64decode(row["image_bytes"]["b64"]) for row in request["instances"]]
        if len(files) > LARGEST_BATCH:
            return 400, {"error": too_many(len(files))}
        outputs = signatures[request["signature_name"]](image_bytes=tf.constant(files))
        columns = {
            name: np.char.decode(v.numpy().astype(bytes)) if v.dtype == tf.string else v
            for name, v in outputs.items()
        }
        return 200, {
            "predictions": [
                {name: np.asarray(column[row]).tolist() for name, column in columns.items()}
                for row in range(len(files))
            ]
        }

    return answer


@contextlib.contextmanager
def dying(address, after_received=1 << 40, after_sent=1 << 40):
    """Runs a proxy for a server that dies in the middle of a request; yields its "HOST:PORT".

    Args:
        address: (host, port) of the server.
        after_received: number of bytes that the server receives before it dies.
        after_sent: number of bytes that it sends before it dies.
    """
    connections = []

    def forward(source, target, count):
        with contextlib.suppress(OSError):
            while count > 0 and (content := source.recv(min(count, 1 << 16))):
                target.sendall(content)
                count -= len(content)
            for connection in (source, target):
                connection.shutdown(socket.SHUT_RDWR)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(address)
                connections.extend((client, server))
                for arguments in ((client, server, after_received), (server, client, after_sent)):
                    threading.Thread(target=forward, args=arguments, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield "{}:{}".format(*listener.getsockname())
        listener.shutdown(socket.SHUT_RDWR)
    for connection in connections:
        connection.close()
