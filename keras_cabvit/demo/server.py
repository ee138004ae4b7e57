"""The page's server on this computer: predictions and maps of the photographs that it is sent."""

import errno
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from keras_cabvit.data.image_bytes import length_reason
from keras_cabvit.demo.page_files import FOLDER, SERVED, TYPES
from keras_cabvit.demo.photographs import Photographs

_ADDRESS = "127.0.0.1"
_CONTENT = "application/octet-stream"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class DemoServer(ThreadingHTTPServer):
    """A server of the page, for browsers of this computer alone.

    It answers only requests to its own address, so that no other page reaches it through a name
    that leads here, and takes photographs only from its own page. They stay in memory.

    Args:
        photographs: `Photographs`.
        port: integer; 0, the default, is any free port.

    Attributes:
        address: string, such as "http://127.0.0.1:8760/".

    Raises:
        OSError: the port is in use, or may not be used.

    Example:
        ```python
        photographs = Photographs(keras_cabvit.runtimes.open_model("runs/mine"))
        with DemoServer(photographs, port=8760) as server:
            server.serve_forever()
        ```
    """

    daemon_threads = True
    # Without it the port is refused for a minute after a connection; on Windows, with it, two
    # programs could listen to one.
    allow_reuse_address = os.name != "nt"

    def __init__(self, photographs: Photographs, port: int = 0):
        try:
            super().__init__((_ADDRESS, port), _Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise OSError(
                f"Port {port} cannot be used ({error.strerror}). Choose another one with --port; 0 "
                "is any free one."
            ) from error
        self.photographs = photographs
        self.address = f"http://{_ADDRESS}:{self.server_port}/"
        self.hosts = {f"{name}:{self.server_port}" for name in (_ADDRESS, "localhost")}
        if self.server_port == 80:
            self.hosts |= {_ADDRESS, "localhost"}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a browser that ends a connection."""


class _Refused(Exception):
    """A request that is not answered, with its status and a sentence."""


class _Handler(BaseHTTPRequestHandler):
    server: DemoServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "cabvit", ""
    timeout = 60  # seconds without a byte

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._post)

    def _answered(self, answer: Any) -> None:
        try:
            self._check_host()
            status, (content, kind) = 200, answer()
        except _Refused as refused:
            # What the request may still contain is not read, nor taken for another request.
            self.close_connection = True
            status, sentence = refused.args
            content, kind = _json({"error": sentence})
        except ValueError as error:
            status, (content, kind) = 422, _json({"error": str(error)})
        except Exception as error:  # backends have their own classes of errors
            status, (content, kind) = 500, _json({"error": f"{type(error).__name__}: {error}"})
        self._send(status, content, kind)

    def _get(self) -> tuple[bytes, str]:
        path = urlsplit(self.path).path
        if path == "/model.json":
            return _json(self.server.photographs.statement())
        name = SERVED.get(path[1:] or "index.html")
        if name is None:
            raise _Refused(404, "There is nothing at this address.")
        file = FOLDER / name
        return file.read_bytes(), TYPES[file.suffix]

    def _post(self) -> tuple[bytes, str]:
        self._check_page()
        url = urlsplit(self.path)
        if url.path not in ("/predictions", "/maps"):
            raise _Refused(404, "There is nothing at this address.")
        encoded = self._body()
        if url.path == "/predictions":
            return _json(self.server.photographs.predictions(encoded))
        (number,) = parse_qs(url.query).get("class", [""])[:1]
        if not (number.isascii() and number.isdecimal() and len(number) < 10):
            raise ValueError(f"`class` must be the number of a class. Received: {number!r}")
        return _json(self.server.photographs.maps(encoded, int(number)))

    def _check_host(self) -> None:
        """Refuses a request under another name, to which a page elsewhere may have led it."""
        if self.headers.get_all("Host", []) not in [[host] for host in self.server.hosts]:
            raise _Refused(421, f"This page is at {self.server.address} alone.")

    def _check_page(self) -> None:
        """Refuses a photograph from another page."""
        origins = self.headers.get_all("Origin", [])
        own = [f"http://{host}" for host in self.server.hosts]
        site = self.headers.get("Sec-Fetch-Site", "same-origin")
        if any(origin not in own for origin in origins) or site not in ("same-origin", "none"):
            raise _Refused(403, "Photographs are taken only from the page itself.")
        # Other pages can send this type only after asking, and that is never allowed.
        if self.headers.get("Content-Type") != _CONTENT:
            raise _Refused(415, f"The content must be an image file, sent as {_CONTENT}.")

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            raise _Refused(411, "The request must state the length of the file.")
        if len(length) > 15 or (int(length) and length_reason(int(length))):
            raise _Refused(413, length_reason(int(length[:15])) or "The file is too large.")
        encoded = self.rfile.read(int(length))
        if len(encoded) < int(length):
            raise _Refused(400, "The file was not sent to its end.")
        return encoded

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps the terminal quiet."""


def _json(value: Any) -> tuple[bytes, str]:
    return json.dumps(value, allow_nan=False).encode(), "application/json"
