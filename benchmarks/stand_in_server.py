"""A server that answers as TF Serving does, after a fixed time, without a model.

usage: python -m benchmarks.stand_in_server [--rest PORT] [--grpc PORT] [--milliseconds 5]

Its class of an image file is the number with which the file begins. It prints a line when it is
ready, and runs until it is killed.
"""

import argparse
import base64
import json
import re
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc

import cabvit_program  # noqa: F401 (this program does not need Keras)
from keras_cabvit.serving import messages as protocol

_THREADS = 64


def number_of(file):
    """Returns the number with which an image file begins."""
    return int(re.match(rb"\d+", file)[0])


def serve_rest(port, seconds):
    """Serves REST on loopback in threads; 0 chooses a port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open
        disable_nagle_algorithm = True

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            files = [base64.b64decode(row["image_bytes"]["b64"]) for row in request["instances"]]
            time.sleep(seconds)
            rows = [
                {"classes": [number], "labels": [str(number)], "scores": [0.5], "status": ""}
                for number in map(number_of, files)
            ]
            content = json.dumps({"predictions": rows}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 2 * _THREADS

    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def serve_grpc(port, seconds):
    """Serves gRPC on loopback in threads; 0 chooses a port."""
    messages = protocol.messages()

    def tensor(kind, shape, **values):
        made = messages.TensorProto(dtype=kind, **values)
        for size in shape:
            made.tensor_shape.dim.add(size=size)
        return made

    def predict(request, _):
        (images,) = (entry.value for entry in request.inputs if entry.key == "image_bytes")
        numbers = [number_of(file) for file in images.string_val]
        time.sleep(seconds)
        count, response = len(numbers), messages.PredictResponse()
        names = [str(number).encode() for number in numbers]
        for key, value in {
            "classes": tensor(protocol.INT32, (count, 1), int_val=numbers),
            "labels": tensor(protocol.STRING, (count, 1), string_val=names),
            "scores": tensor(protocol.FLOAT, (count, 1), float_val=[0.5] * count),
            "status": protocol.string_tensor([b""] * count),
        }.items():
            response.outputs.add(key=key, value=value)
        return response

    service, method = protocol.PREDICT.strip("/").split("/")
    handler = grpc.unary_unary_rpc_method_handler(
        predict,
        request_deserializer=messages.PredictRequest.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
    server = grpc.server(futures.ThreadPoolExecutor(_THREADS))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, {method: handler})]
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return port, server


def main():
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rest", type=int, default=0)
    parser.add_argument("--grpc", type=int, default=0)
    parser.add_argument("--milliseconds", type=float, default=5)
    options = parser.parse_args()
    seconds = options.milliseconds / 1e3
    rest = serve_rest(options.rest, seconds)
    grpc_port, server = serve_grpc(options.grpc, seconds)
    print(json.dumps({"rest": rest, "grpc": grpc_port}), flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
