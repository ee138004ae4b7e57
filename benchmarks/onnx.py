"""The .onnx files of all variants: exactness in onnxruntime and OpenVINO, and latency.

usage: python -m benchmarks.onnx [--variants CabViTH_T ...] [--latency CabViTH_S] [--rounds 20]

Exports every variant with the parameters that `tests/reference` fills the published model with, and
without a softmax, runs the file in onnxruntime and OpenVINO in float32 at batches of 1, 2 and 8,
and prints the largest absolute difference of the logits from those of the Keras model, which is not
fused. The exit status is 1 if a difference is above 1e-5 times the largest logit.

With --latency the same for these variants only, and then times: the fused model on TensorFlow, and
its file in both runtimes, in turns, at batches of 1 and 8. Compare the ratios, on a quiet computer.
"""

import argparse
import collections
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.filled_model import filled_model
from benchmarks.in_turns import ratios
from benchmarks.processor import processor_name, restrict_to
from benchmarks.runtimes.openers import openvino
from keras_cabvit.commands.arguments import positive
from keras_cabvit.export import to_onnx
from keras_cabvit.inference import fuse
from keras_cabvit.models import list_models
from keras_cabvit.runtimes import load_onnx
from keras_cabvit.terminal import output_that_never_fails
from training.report.markdown import table

BATCHES = (1, 2, 8)
TIMED_BATCHES = (1, 8)
THREADS = 2
TOLERANCE = 1e-5


def images(model, batch):
    """Returns random pixels, uint8 (batch, height, width, 3)."""
    return np.random.default_rng(0).integers(0, 256, (batch, *model.input_shape[1:]), "uint8")


def norms(path):
    """Returns the number of LayerNormalization operators of a file."""
    import onnx

    kinds = collections.Counter(node.op_type for node in onnx.load(path).graph.node)
    return kinds["LayerNormalization"]


def differences(model, runtimes):
    """Returns the largest absolute difference per runtime and batch, and the largest logit."""
    found, largest = {}, 0.0
    for batch in BATCHES:
        pixels = images(model, batch)
        expected = model.predict_on_batch(pixels.astype("float32"))
        largest = max(largest, float(np.abs(expected).max()))
        for name, run in runtimes.items():
            found[name, batch] = float(np.abs(run(pixels) - expected).max())
    return found, largest


def latencies(runtimes, model, batch, rounds):
    """Returns a list of seconds per runtime, measured in turns."""
    pixels = images(model, batch)
    seconds = {name: [] for name in runtimes}
    for turn in range(rounds + 1):
        for name, run in runtimes.items():
            run(pixels)  # warms caches that served another runtime before
            start = time.perf_counter()
            run(pixels)
            if turn:  # the first may compile
                seconds[name].append(time.perf_counter() - start)
    return seconds


def on_tensorflow(model):
    """Returns a function from uint8 images to the fused model's scores, as one graph."""
    import tensorflow as tf

    fused = fuse(model)
    shape = (None, *model.input_shape[1:])
    run = tf.function(
        lambda image: fused(tf.cast(image, "float32"), training=False),
        [tf.TensorSpec(shape, "uint8")],
    )
    return lambda pixels: run(pixels).numpy()


def main():
    """Exports, compares and times, and prints tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", nargs="+", choices=list_models(), default=list_models())
    parser.add_argument("--latency", nargs="*", choices=list_models(), default=[])
    parser.add_argument("--rounds", type=positive, default=20)
    options = parser.parse_args()
    restrict_to(THREADS)  # TensorFlow has no such option here
    print(processor_name(), flush=True)
    rows, timed, good = [], [], True
    for variant in options.latency or options.variants:
        model = filled_model(variant, classifier_activation=None)
        with tempfile.TemporaryDirectory() as folder:
            path = to_onnx(model, Path(folder) / f"{variant}.onnx")
            runtimes = {
                "onnxruntime": load_onnx(path, THREADS),
                "OpenVINO": openvino(path, INFERENCE_NUM_THREADS=THREADS),
            }
            found, largest = differences(model, runtimes)
            good &= max(found.values()) <= TOLERANCE * largest
            figures = [f"{found[name, batch]:.1e}" for name in runtimes for batch in BATCHES]
            megabytes = f"{path.stat().st_size / 1e6:.1f} MB"
            rows.append([variant, megabytes, str(norms(path)), f"{largest:.2f}", *figures])
            print(*rows[-1], flush=True)
            if not options.latency:
                continue
            several = {"TensorFlow, fused": on_tensorflow(model), **runtimes}
            for batch in TIMED_BATCHES:
                seconds = latencies(several, model, batch, options.rounds)
                for name, taken in seconds.items():
                    ratio = ratios(taken, seconds["TensorFlow, fused"])
                    timed.append(
                        [
                            variant,
                            str(batch),
                            name,
                            f"{1e3 * statistics.median(taken):.1f} ms",
                            f"{ratio['median']:.2f} ({ratio['lower quartile']:.2f} to "
                            f"{ratio['upper quartile']:.2f})",
                        ]
                    )
                    print(*timed[-1], flush=True)
    header = ["variant", "file", "LayerNormalization", "largest logit"]
    header += [f"{name}, {batch}" for name in ("onnxruntime", "OpenVINO") for batch in BATCHES]
    print(table(header, rows, 1))
    if timed:
        print()
        print(table(["variant", "batch", "runtime", "median", "time / TensorFlow"], timed, 3))
    return 0 if good else 1


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())
