"""The static page in Chromium against `cabvit predict`, on photographs.

    cabvit demo --static page --model model.tflite
    python -m benchmarks.static_page page model.tflite PHOTOGRAPHS

Each photograph is chosen in the page's file input. Compares the classes and probabilities that the
page shows with those of the same file in Python, and the pixels that the browser gives the model
with those of the evaluation transform. Ends with status 1 unless all top-1 classes are the same.
"""

import argparse
import base64
import functools
import json
import statistics
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from benchmarks.chromium import Page
from benchmarks.processor import processor_name
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.data import evaluation_image
from keras_cabvit.runtimes import open_model, predict_files

_OUTPUT = Path(__file__).with_suffix(".json")
# Keeps the file that is chosen, before the page takes it.
_KEEP = """document.addEventListener(
    "change", event => { globalThis.given = event.target.files[0]; }, true)"""
_PIXELS = """(async () => {
  const {decoded} = await import("./photograph.js");
  const {evaluationImage} = await import("./evaluation.js");
  const {imageSize, crop, mostPixels} = await (await fetch("model.json")).json();
  const {data} = evaluationImage(await decoded(globalThis.given, mostPixels), imageSize, crop);
  let text = "";  // in pieces: a call takes some hundred thousand arguments at most
  for (let start = 0; start < data.length; start += 32768) {
    text += String.fromCharCode(...data.subarray(start, start + 32768));
  }
  return btoa(text);
})()"""
_SHOWN = """[...document.querySelectorAll(".prediction")].map(row =>
    [row.querySelector("b").textContent, row.querySelector("progress").value])"""


class _Quiet(SimpleHTTPRequestHandler):
    def guess_type(self, path):
        return "text/javascript" if str(path).endswith(".mjs") else super().guess_type(path)

    def log_message(self, *_):
        pass


def served(folder):
    """Starts a web server for a folder; returns it and its address."""
    handler = functools.partial(_Quiet, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/"


def shown(page, photograph):
    """Chooses a photograph; returns [[class, probability], ...] of the page, and the seconds."""
    page.value("document.querySelector('#predictions').replaceChildren()")
    start = time.perf_counter()
    page.upload("#file", photograph)
    page.wait("document.querySelector('.prediction') || document.querySelector('#status.wrong')")
    return page.value(_SHOWN), time.perf_counter() - start


def pixels_given(page, size):
    """Returns the pixels that the browser gives the model for the photograph chosen last."""
    data = np.frombuffer(base64.b64decode(page.value(_PIXELS)), np.uint8)
    return data.reshape(*size, 4)[..., :3]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("page", type=path_argument, help="folder that `cabvit demo --static` wrote")
    parser.add_argument("model", type=path_argument, help="the .tflite file that it was written of")
    parser.add_argument(
        "photographs", type=path_argument, help="folder of image files, at any depth"
    )
    parser.add_argument("--count", type=positive, default=50, help="evenly spaced; 50 by default")
    parser.add_argument("--output", type=path_argument, default=_OUTPUT)
    options = parser.parse_args()

    every = sorted(path for path in options.photographs.rglob("*") if path.is_file())
    places = np.linspace(0, len(every) - 1, options.count).round().astype(int)
    photographs = [every[place] for place in places]
    model = open_model(options.model)
    rows = list(predict_files(model, photographs, top=model.classes))
    size, crop = model.image_size, model.evaluation_crop
    same, apart, levels, equal, seconds, others = 0, 0.0, 0, 0, [], []
    server, address = served(options.page)
    with Page(address) as page:
        page.wait("document.body.dataset.ready")
        page.value(_KEEP)
        for photograph, row in zip(photographs, rows, strict=True):
            found, took = shown(page, photograph)
            expected = dict(zip(row.class_names, row.probabilities, strict=True))
            same += found[0][0] == row.class_names[0]
            if found[0][0] != row.class_names[0]:
                others.append({"page": found[:2], "predict": list(expected.items())[:2]})
            apart = max(apart, *(abs(share - expected[name]) for name, share in found))
            pixels = evaluation_image(photograph.read_bytes(), size, crop).numpy()
            difference = np.abs(pixels_given(page, size).astype(int) - pixels)
            levels = max(levels, int(difference.max()))
            equal += int((difference == 0).sum()) / pixels.size / len(photographs)
            seconds.append(took)
        elsewhere = [each for each in page.addresses() if not each.startswith(address)]
        browser = page.call("Browser.getVersion")["product"]
    server.shutdown()
    result = {
        "processor": processor_name(),
        "browser": browser,
        "model": options.model.name,
        "photographs": len(photographs),
        "same_top_1": same,
        "different": others,
        "largest_difference_of_a_probability": round(apart, 6),
        "largest_difference_of_a_pixel": levels,
        "share_of_equal_pixels": round(equal, 6),
        "median_seconds_per_photograph": round(statistics.median(seconds), 3),
        "requests_to_other_hosts": elsewhere,
    }
    write_text_atomically(options.output, json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0 if same == len(photographs) else 1


if __name__ == "__main__":
    raise SystemExit(main())
