"""Every export in every runtime that opens it.

usage: python -m benchmarks.runtimes [--runtimes NAME ...] [--out FILE] [--accept]

Exports `CabViTH_T(weights="tiny_imagenet")` in every form, opens each in every runtime at hand, and
compares the probabilities of sixteen images with those of the Keras model; forms in 8 bits, which
are another model, with LiteRT's on the CPU. Outcomes must be those of expected.json: if one
changes, the status is 1. `--accept` writes that file anew. Latencies are relative to the SavedModel
in TensorFlow in the same run, each the median of 20 calls with one image.

Runtimes that are not installed are left out and named. In the browser: Chromium, and packages that
npm installs in a temporary folder.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.processor import processor_name
from benchmarks.runtimes import browser
from benchmarks.runtimes.forms import QUANTIZED, export, images
from benchmarks.runtimes.openers import RUNTIMES
from benchmarks.runtimes.outcomes import Outcome, changes, outcome, refused
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument
from keras_cabvit.terminal import output_that_never_fails
from training.report.markdown import table

EXPECTED = Path(__file__).with_name("expected.json")
# The beginning of a form's name, and the runtimes that open such files.
OPENED_BY = {
    "SavedModel": ("TensorFlow", "TensorFlow C API", "OpenVINO"),
    "TFLite": ("LiteRT", "LiteRT GPU (software)", "MediaPipe", "OpenVINO"),
    "ONNX": ("onnxruntime", "OpenVINO"),
}
PACKAGES = {
    "TensorFlow": "tensorflow",
    "LiteRT": "ai-edge-litert",
    "MediaPipe": "mediapipe",
    "onnxruntime": "onnxruntime",
    "OpenVINO": "openvino",
}
REFERENCE = ("SavedModel", "TensorFlow")


def in_process(runtime, path, pixels, folder):
    """Opens a file in a process; returns its scores and milliseconds, or its error."""
    scores = folder / "scores.npy"
    command = [sys.executable, "-m", "benchmarks.runtimes.openers", runtime, path, pixels, scores]
    process = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", timeout=900
    )
    if process.returncode:
        return None, None, process.stderr or f"It ended with status {process.returncode}."
    answer = json.loads(process.stdout.strip().splitlines()[-1])
    return np.load(scores), answer["milliseconds"], ""


def outcomes_of(files, model, folder, runtimes):
    """Returns a dict from (form, runtime) to an `Outcome`."""
    pixels = images(model.input_shape[1:3])
    np.save(folder / "images.npy", pixels)
    in_full = model.predict(pixels.astype("float32"), verbose=0)
    expected = dict.fromkeys(files, in_full)
    found = {}
    for form, path in files.items():
        for runtime in OPENED_BY[form.split()[0].rstrip(",")]:
            measures = form in QUANTIZED and runtime == "LiteRT"
            if runtime not in runtimes and not measures:
                continue
            scores, milliseconds, error = in_process(runtime, path, folder / "images.npy", folder)
            if error:
                found[form, runtime] = refused(error)
            else:
                if measures:
                    expected[form] = scores
                found[form, runtime] = outcome(form, scores, expected[form], milliseconds)
            print(f"{form} in {runtime}: {found[form, runtime].kind}", flush=True)
    if set(runtimes) & set(browser.RUNTIMES):
        browser.install(folder / "npm")
        lite = {form: path for form, path in files.items() if form.startswith("TFLite")}
        for (form, runtime), each in browser.run(lite, pixels, folder / "npm").items():
            if "refused" in each:
                found[form, runtime] = refused(each["refused"])
            else:
                found[form, runtime] = outcome(
                    form, each["scores"], expected[form], each["milliseconds"]
                )
    return found


def at_hand():
    """Returns the runtimes that are installed, and the others."""
    runtimes = [name for name in RUNTIMES if _is_installed(name)]
    if not browser.missing():
        runtimes += browser.RUNTIMES
    return runtimes, sorted({*RUNTIMES, *browser.RUNTIMES} - set(runtimes))


def _is_installed(runtime):
    names = [name for name in PACKAGES if runtime.startswith(name)]
    modules = {"ai-edge-litert": "ai_edge_litert"}
    return all(importlib.util.find_spec(modules.get(PACKAGES[n], PACKAGES[n])) for n in names)


def versions():
    """Returns the versions of what is installed, as one line."""
    found = []
    for package in ("keras", *PACKAGES.values()):
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    found += [f"{name} {version}" for name, version in browser.PACKAGES.items()]
    return ", ".join(found)


def report(found):
    """Returns the outcomes, and then the times, as a table in Markdown per kind of file."""
    reference = found.get(REFERENCE, Outcome("refused")).milliseconds

    def of_outcome(each):
        if each.difference is None:
            return each.kind
        return (
            f"{each.kind}, {each.difference:.0e}".replace("e-0", "e-")
            if each.difference
            else f"{each.kind}, 0"
        )

    def of_time(each):
        if each.milliseconds is None or reference is None:
            return ""
        return f"{each.milliseconds / reference:.2f}"

    tables = []
    for text in (of_outcome, of_time):
        for kind in OPENED_BY:
            of_kind = [key for key in found if key[0].split()[0].rstrip(",") == kind]
            runtimes = list(dict.fromkeys(runtime for _, runtime in of_kind))
            rows = [
                [form, *(text(found[form, runtime]) for runtime in runtimes)]
                for form in dict.fromkeys(form for form, _ in of_kind)
            ]
            if rows:
                tables.append(table(["form", *runtimes], rows, 1 + len(runtimes)))
    return "\n\n".join(tables)


def main():
    """Prints the outcomes; the status is 1 if one is not the expected one."""
    runtimes, absent = at_hand()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtimes", nargs="+", default=runtimes, choices=runtimes)
    parser.add_argument("--out", type=path_argument, help="file to write the tables to")
    parser.add_argument("--accept", action="store_true", help="write the expected outcomes anew")
    arguments = parser.parse_args()

    import keras_cabvit

    if absent:
        print(f"Not installed, and left out: {', '.join(absent)}.")
    model = keras_cabvit.CabViTH_T(weights="tiny_imagenet")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = export(model, list(map(str, range(200))), folder)
        found = outcomes_of(files, model, folder, arguments.runtimes)
    text = f"{processor_name()}; {versions()}\n\n{report(found)}\n"
    print(f"\n{text}")
    if arguments.out:
        write_text_atomically(arguments.out, text)
    expected = json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.is_file() else {}
    if arguments.accept:
        for (form, runtime), each in found.items():
            expected.setdefault(form, {})[runtime] = each.kind
        write_text_atomically(EXPECTED, json.dumps(expected, indent=2) + "\n")
        return 0
    changed = changes(found, expected)
    print("\n".join(changed) or "All outcomes are the expected ones.")
    return int(bool(changed))


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())
