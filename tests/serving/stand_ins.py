"""Servers on loopback that imitate TF Serving and run the exported model."""

import base64
import contextlib
import json
import socket
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

LARGEST_BATCH = 8  # max_batch_size of deploy/serving


def too_many(count):
    """Returns TF Serving's message."""
    return f"Task size {count} is larger than maximum input batch size {LARGEST_BATCH}"


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TF Serving's gRPC service, reduced to `Predict`.

    Args:
        signatures: signatures of a loaded SavedModel.
        failures: list of gRPC statuses to return first, one per request.
    """

    def __init__(self, signatures, failures=()):
        self.signatures = signatures
        self.failures = list(failures)

    def Predict(self, request, context):
        if self.failures:
            context.abort(self.failures.pop(0), "the model is loading")
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
def grpc_server(service):
    """Runs a service; yields its "HOST:PORT"."""
    server = grpc.server(
        futures.ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", 1 << 28)]
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)


@contextlib.contextmanager
def http_server(answer):
    """Runs an HTTP server; yields its URL.

    Args:
        answer: function from a path and a request (decoded JSON) to a status and a response (to be
            encoded as JSON, or bytes).
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, content = answer(self.path, json.loads(body))
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def rest_answers(signatures):
    """Returns a function that answers :predict in TF Serving's row format, for `http_server`."""

    def answer(path, request):
        if path != "/v1/models/cabvit:predict":
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
