"""A real HTTP server on loopback whose files can be delayed, truncated and changed."""

import contextlib
import dataclasses
import http.server
import re
import socket
import struct
import threading

import pytest

from keras_cabvit.weights import download


@dataclasses.dataclass
class ServedFile:
    content: bytes
    has_ranges: bool = True
    # Each entry of these lists is used by one response, in order.
    statuses: list = dataclasses.field(default_factory=list)
    cuts: list = dataclasses.field(default_factory=list)  # bytes after which a response ends
    shift: int = 0  # number of bytes by which a range begins too early
    ending: str = "reset"  # how a truncated response ends: "reset", "close" or "stall"
    pause: float = 0.0  # seconds before each 16 kB
    length: str | None = ""  # what an answer says of its size: the truth, anything else, nothing


class FileServer:
    """`files` maps a path to a ServedFile; `requests` lists (path, Range)."""

    def __init__(self):
        self.files = {}
        self.requests = []
        self.stopping = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        # The default polls for a stop twice per second, which would slow down the suite.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def url(self, path=""):
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def serve(self, path, content, **options):
        self.files[path] = ServedFile(content, **options)
        return self.url(path)

    def ranges(self):
        """Returns the Range header of each request since the last call."""
        ranges = [asked for _, asked in self.requests]
        self.requests.clear()
        return ranges

    def stop(self):
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                # In several tests the client gives up on purpose.
                with contextlib.suppress(ConnectionError):
                    self._answer()

            def _answer(self):
                asked = self.headers["Range"]
                outer.requests.append((self.path, asked))
                file = outer.files.get(self.path)
                if file is None:
                    return self.send_error(404)
                if file.statuses:
                    return self.send_error(file.statuses.pop(0))
                content, begin = file.content, 0
                if asked and file.has_ranges:
                    begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) - file.shift
                    if begin >= len(content):
                        self.send_response(416)
                        self.send_header("Content-Range", f"bytes */{len(content)}")
                        self.send_header("Content-Length", "0")
                        return self.end_headers()
                    self.send_response(206)
                    last = len(content) - 1
                    self.send_header("Content-Range", f"bytes {begin}-{last}/{len(content)}")
                else:
                    self.send_response(200)
                if file.length is not None:
                    length = file.length or str(len(content) - begin)
                    self.send_header("Content-Length", length)
                self.end_headers()
                cut = file.cuts.pop(0) if file.cuts else None
                body = content[begin:] if cut is None else content[begin : begin + cut]
                for start in range(0, len(body), 1 << 14):
                    outer.stopping.wait(file.pause)
                    self.wfile.write(body[start : start + (1 << 14)])
                if cut is not None:
                    self._end(file.ending)

            def _end(self, ending):
                self.close_connection = True
                if ending == "stall":
                    outer.stopping.wait(10)
                if ending == "reset":
                    # Closing with a linger time of zero sends RST, as a dying server does.
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()

        return Handler


@pytest.fixture
def file_server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "BACK_OFF_SECONDS", 0.01)
    server = FileServer()
    yield server
    server.stop()
