"""CabViTH_S and convnext_tiny, each in the runtime that is fastest for it.

usage: python -m benchmarks.convnext_runtimes [--variant CabViTH_S] [--rounds 20] [--out DIR]

Exports CabViT, with the parameters that `tests/reference` fills the published model with, to every
runtime for CPUs; and timm's convnext_tiny, with random weights, to ONNX by PyTorch. Keras' own
ConvNeXtTiny stands for it in TensorFlow and LiteRT. Times one image on 2 threads, all in turns, in
float32 and in bfloat16 or int8, and gives the ratio of the best times of both models in each.

With the float32 model as measure it also gives the share of synthetic photographs to which the
smaller types of CabViT give the same class. ConvNeXt's are not checked, in its favour.
"""

import argparse
import importlib.metadata
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.contenders import _fill_constants, _fill_torch_constants, _import_timm
from benchmarks.filled_model import filled_model
from benchmarks.in_turns import ratios
from benchmarks.processor import processor_flags, processor_name, restrict_to
from benchmarks.runtimes.openers import openvino
from benchmarks.tflite import made_photographs
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.export import to_onnx, to_saved_model, to_tflite
from keras_cabvit.runtimes import load_onnx, load_saved_model, load_tflite
from keras_cabvit.terminal import output_that_never_fails
from training.report.markdown import table

THREADS = 2
FLOAT32, SMALLER = "float32", "bfloat16 or int8"
# A form of CabViT counts among the smaller types if at least this share of images keeps its class.
AGREEMENT = 0.985
PACKAGES = ("tensorflow", "onnxruntime", "openvino", "ai-edge-litert", "torch", "timm", "keras")
# A runtime's threads spin for some milliseconds, waiting for work, before they sleep.
_UNTIL_THREADS_SLEEP = 0.05


def cabvit(variant, folder):
    """Returns the source model and its forms: (runtime, kind, type) to a function of pixels."""
    model = filled_model(variant, classifier_activation=None)
    size = model.input_shape[1:3]
    onnx = to_onnx(model, folder / "cabvit.onnx", batch_size=1)  # as PyTorch's export of ConvNeXt
    servable = {"batch_sizes": (), "labels": None}
    saved = to_saved_model(model, folder / "float32", **servable)
    half = to_saved_model(
        model, folder / "bfloat16", precision="bfloat16", frozen_weights=True, **servable
    )
    ranges = made_photographs(size, 64, seed=1).pixels
    lite = {
        kind: to_tflite(model, folder / f"{kind}.tflite", quantization=kind, calibration=ranges)
        for kind in ("none", "int8", "int8-static")
    }
    return model, {
        ("TensorFlow", FLOAT32, "float32"): load_saved_model(saved).scores,
        ("onnxruntime", FLOAT32, "float32"): load_onnx(onnx, THREADS).scores,
        ("OpenVINO", FLOAT32, "float32"): openvino(onnx, INFERENCE_NUM_THREADS=THREADS),
        ("LiteRT", FLOAT32, "float32"): load_tflite(lite["none"]).scores,
        ("TensorFlow", SMALLER, "bfloat16"): load_saved_model(half).scores,
        ("OpenVINO", SMALLER, "bfloat16"): _in_bfloat16(onnx),
        ("LiteRT", SMALLER, "int8"): load_tflite(lite["int8"]).scores,
        ("LiteRT", SMALLER, "int8-static"): load_tflite(lite["int8-static"]).scores,
    }


def convnext(folder):
    """Returns the forms of convnext_tiny, as `cabvit`."""
    import keras
    import torch

    timm = _import_timm()
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    model = timm.create_model("convnext_tiny", pretrained=False).eval()
    _fill_torch_constants(model)
    onnx = folder / "convnext.onnx"
    with torch.inference_mode():
        torch.onnx.export(
            model, torch.zeros(1, 3, 224, 224), onnx, opset_version=17, dynamo=False, verbose=False
        )
    fast = model.to(memory_format=torch.channels_last)

    def on_pytorch(half):
        def run(pixels):
            images = torch.from_numpy(_normalized(pixels)).contiguous(
                memory_format=torch.channels_last
            )
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
                return fast(images).float().numpy()

        return run

    def on_onnxruntime():
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda pixels: session.run(None, {name: _normalized(pixels)})[0]

    def on_openvino(run):
        return lambda pixels: run(_normalized(pixels))

    keras.utils.set_random_seed(0)
    of_keras = keras.applications.ConvNeXtTiny(weights=None)
    _fill_constants(keras.ops.convert_to_numpy, of_keras.weights)
    saved = to_saved_model(of_keras, folder / "convnext", batch_sizes=())
    lite = {
        kind: to_tflite(of_keras, folder / f"convnext-{kind}.tflite", quantization=kind)
        for kind in ("none", "int8")
    }
    return {
        ("PyTorch", FLOAT32, "float32"): on_pytorch(half=False),
        ("onnxruntime", FLOAT32, "float32"): on_onnxruntime(),
        ("OpenVINO", FLOAT32, "float32"): on_openvino(
            openvino(onnx, INFERENCE_NUM_THREADS=THREADS)
        ),
        ("TensorFlow, Keras' model", FLOAT32, "float32"): load_saved_model(saved).scores,
        ("LiteRT, Keras' model", FLOAT32, "float32"): load_tflite(lite["none"]).scores,
        ("PyTorch", SMALLER, "bfloat16"): on_pytorch(half=True),
        ("OpenVINO", SMALLER, "bfloat16"): on_openvino(_in_bfloat16(onnx)),
        ("LiteRT, Keras' model", SMALLER, "int8"): load_tflite(lite["int8"]).scores,
    }


def _in_bfloat16(path):
    return openvino(path, INFERENCE_NUM_THREADS=THREADS, INFERENCE_PRECISION_HINT="bf16")


def _normalized(pixels):
    """Returns uint8 (1, height, width, 3) as float32 (1, 3, height, width) about 0."""
    return np.ascontiguousarray((pixels.astype("float32") / 127.5 - 1).transpose(0, 3, 1, 2))


def in_turns(runs, rounds):
    """Returns a list of seconds for one image per form; the forms of a round take turns."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), "uint8")
    seconds = {form: [] for form in runs}
    order = list(runs)
    for turn in range(rounds + 1):
        random.Random(turn).shuffle(order)
        for form in order:
            run = runs[form]
            time.sleep(_UNTIL_THREADS_SLEEP)
            for _ in "ab":  # warms caches and threads, which served another form before
                run(pixels)
            start = time.perf_counter()
            run(pixels)
            if turn:  # the first may compile
                seconds[form].append(time.perf_counter() - start)
    return seconds


def agreements(model, forms, count):
    """Returns the share of images to which each smaller form gives the model's class."""
    pixels = made_photographs(model.input_shape[1:3], count, seed=0).pixels
    expected = model.predict(pixels, batch_size=8, verbose=0).argmax(axis=1)
    found = {}
    for form, run in forms.items():
        if form[1] == SMALLER:
            scores = np.concatenate([run(pixels[i : i + 1]) for i in range(count)])
            found[form] = float(np.mean(scores.argmax(axis=1) == expected))
    return found


def best(seconds, name, kind, agreed):
    """Returns the form of a model with the least median time.

    Args:
        seconds: dict from (model, form) to a list of seconds.
        name: name of the model.
        kind: `FLOAT32` or `SMALLER`.
        agreed: dict from CabViT's smaller forms to the share of images that keep their class.
    """
    return min(
        (
            (model, form)
            for model, form in seconds
            if model == name and form[1] == kind and agreed.get((model, form), 1) >= AGREEMENT
        ),
        key=lambda each: statistics.median(seconds[each]),
    )


def report(seconds, agreed, names):
    """Returns the tables of a run, and a dict of its figures."""
    ours, theirs = names
    lines, figures = [], {"forms": [], "best": []}
    for (model, form), taken in seconds.items():
        runtime, kind, dtype = form
        reference = best(seconds, theirs, kind, agreed)
        ratio = ratios(seconds[reference], taken)
        share = agreed.get((model, form))
        figures["forms"].append(
            {"model": model, "runtime": runtime, "type": dtype, "seconds": taken, "agrees": share}
        )
        lines.append(
            [
                model,
                runtime,
                dtype,
                f"{1e3 * statistics.median(taken):.1f} ms",
                _text(ratio),
                "-" if share is None else f"{100 * share:.1f} %",
            ]
        )
    header = ["model", "runtime", "type", "one image", "speed / best of convnext_tiny", "agrees"]
    rows = []
    for kind in (FLOAT32, SMALLER):
        one, other = (best(seconds, name, kind, agreed) for name in (ours, theirs))
        ratio = ratios(seconds[other], seconds[one])
        rows.append([kind, _form(one), _form(other), _text(ratio)])
        figures["best"].append({"kind": kind, "ours": one, "theirs": other, "speed": ratio})
    of_best = ["type", ours, theirs, "speed"]
    return f"{table(header, lines, 3)}\n\n{table(of_best, rows, 3)}\n", figures


def _form(contender):
    _, (runtime, _, dtype) = contender
    return f"{runtime}, {dtype}"


def _text(ratio):
    return "{median:.2f} ({lower quartile:.2f} to {upper quartile:.2f})".format(**ratio)


def versions():
    """Returns the packages' names and versions, and the processor's, as one line."""
    found = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    flags = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in processor_flags()]
    return ", ".join([f"{processor_name()} ({' '.join(flags) or 'no bfloat16'})", *found])


def main():
    """Measures, prints tables, and writes them with JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default="CabViTH_S")
    parser.add_argument("--rounds", type=positive, default=20)
    parser.add_argument("--images", type=positive, default=200, help="for the agreement")
    parser.add_argument("--out", type=path_argument, help="folder for convnext_runtimes.json, .md")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    restrict_to(THREADS)  # TensorFlow has no such option here
    names = (options.variant, "convnext_tiny")
    print(versions(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        model, ours = cabvit(options.variant, Path(folder))
        theirs = convnext(Path(folder))
        runs = {(names[0], form): run for form, run in ours.items()}
        runs |= {(names[1], form): run for form, run in theirs.items()}
        seconds = in_turns(runs, options.rounds)
        agreed = agreements(model, ours, options.images)
    agreed = {(names[0], form): share for form, share in agreed.items()}
    text, figures = report(seconds, agreed, names)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        figures = {"setting": versions(), **figures}
        file = options.out / "convnext_runtimes.json"
        write_text_atomically(file, json.dumps(figures, indent=1) + "\n")
        write_text_atomically(file.with_suffix(".md"), f"{versions()}\n\n{text}")
    print(text)
    return 0


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())
