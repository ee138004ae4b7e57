"""TFLite files in headless Chromium: MediaPipe's tasks-vision and LiteRT.js, from npm."""

import base64
import json
import mimetypes
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

PACKAGES = {"@mediapipe/tasks-vision": "1.1.0", "@litertjs/core": "2.5.3"}
RUNTIMES = ("tasks-vision (Chromium)", "LiteRT.js (Chromium)")
SECONDS = 600


def missing():
    """Returns the programs that are needed and not installed."""
    return [name for name in ("chromium", "npm") if shutil.which(name) is None]


def install(folder):
    """Installs the npm packages in a folder."""
    packages = [f"{name}@{version}" for name, version in PACKAGES.items()]
    subprocess.run(["npm", "install", "--silent", "--prefix", folder, *packages], check=True)


def run(files, images, folder):
    """Opens files in a browser.

    Args:
        files: dict from a form's name to the path of its .tflite file.
        images: uint8 array (count, height, width, 3).
        folder: path in which the npm packages are installed.

    Returns:
        Dict from (form, runtime) to what the page found: a dict with "scores" (count, classes) and
        "milliseconds", or "refused".
    """
    found, end = {}, threading.Event()
    request = {
        "files": {form: f"/files/{number}.tflite" for number, form in enumerate(files)},
        "shape": images.shape[:3],
        "pixels": base64.b64encode(images.tobytes()).decode(),
    }
    served = {
        "/": Path(__file__).with_name("page.html"),
        **dict(zip(request["files"].values(), files.values(), strict=True)),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            if path == "/request.json":
                self._answer(json.dumps(request).encode(), "application/json")
            elif path in served or path.startswith("/node_modules/"):
                file = served.get(path, folder / path[1:])
                if not file.is_file() or ".." in path:
                    self.send_error(404)
                    return
                kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                kind = "text/javascript" if file.suffix == ".mjs" else kind
                kind = "text/html" if path == "/" else kind
                self._answer(file.read_bytes(), kind)
            else:
                self.send_error(404)

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/found":
                each = json.loads(body)
                found[each.pop("form"), each.pop("runtime")] = each
            else:
                end.set()
            self._answer(b"", "text/plain")

        def _answer(self, content, kind):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = folder / "profile"
    browser = subprocess.Popen(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            f"--user-data-dir={profile}",
            f"http://127.0.0.1:{server.server_port}/",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end.wait(SECONDS)
    finally:
        browser.terminate()
        browser.wait()
        server.shutdown()
        server.server_close()
    for form in files:
        for runtime in RUNTIMES:
            found.setdefault((form, runtime), {"refused": "The page gave no answer."})
    for each in found.values():
        if "scores" in each:
            each["scores"] = np.array(each["scores"], "float32")
    return found
