"""SavedModels in both precisions, with variables and with frozen weights, as a server runs them.

usage: python -m benchmarks.saved_model_forms [--variants CabViTH_S CabViTH_L] [--requests 60]

Every form is loaded in a process of its own, in turns, `--rounds` times. As TF Serving does, the
process calls every signature with every batch size before the first request. Then two clients at
once ask for image files one by one, and one client for batches of 8. Printed are the seconds to
load and to warm up, the growth of the process' memory by then, the 50th and 99th percentile of the
time to an answer, and files per second; medians over the rounds.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.processor import processor_name
from benchmarks.serving_load import _resident
from keras_cabvit.commands.arguments import positive
from keras_cabvit.terminal import output_that_never_fails
from training.report.markdown import table

VARIANTS = ("CabViTH_S", "CabViTH_L")
BATCH_SIZES = (1, 2, 4, 8)
CLIENTS = 2
FORMS = {
    f"{precision}{', frozen' if frozen else ''}": {
        "precision": precision,
        "frozen_weights": frozen,
    }
    for precision, frozen in itertools.product(("float32", "bfloat16"), (False, True))
}
PHOTOGRAPHS = Path(__file__).parents[1] / "tests" / "photographs"


def exported(variants, folder):
    """Exports the variants in every form, in a process of its own; a dict of their paths."""
    from benchmarks.filled_model import filled_model
    from keras_cabvit.export import to_saved_model

    paths = {}
    for variant in variants:
        model = filled_model(variant)
        for name, options in FORMS.items():
            path = to_saved_model(model, Path(folder) / variant / name, batch_sizes=(), **options)
            paths[variant, name] = str(path)
    return paths


def served(path, requests):
    """Loads an export, warms it up and answers requests; returns a dict of figures."""
    import tensorflow as tf

    files = tf.constant([file.read_bytes() for file in sorted(PHOTOGRAPHS.glob("*.jpg"))[:1]])
    before, start = _resident(), time.perf_counter()
    model = tf.saved_model.load(path)
    loaded = time.perf_counter()
    signatures = model.signatures
    shape = signatures["serving_default"].structured_input_signature[1]["image"].shape[1:]
    for size in BATCH_SIZES:
        signatures["serving_default"](image=tf.zeros((size, *shape), tf.uint8))
        signatures["serving_float"](image=tf.zeros((size, *shape), tf.float32))
        signatures["serving_bytes"](image_bytes=tf.repeat(files, size))
    warm = time.perf_counter()
    figures = {"load": loaded - start, "warm-up": warm - loaded, "memory": _resident() - before}

    seconds = []

    def client(count, batch):
        images = tf.repeat(files, batch)
        for _ in range(count):
            asked = time.perf_counter()
            signatures["serving_bytes"](image_bytes=images)["classes"].numpy()
            seconds.append(time.perf_counter() - asked)

    for batch, clients in ((1, CLIENTS), (8, 1)):
        seconds.clear()
        count = max(2, requests // (clients * batch))
        threads = [threading.Thread(target=client, args=(count, batch)) for _ in range(clients)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        elapsed = time.perf_counter() - start
        percentiles = statistics.quantiles(seconds, n=100, method="inclusive")
        figures[f"p50 of {batch}"], figures[f"p99 of {batch}"] = percentiles[49], percentiles[98]
        figures[f"files per second, {batch}"] = clients * count * batch / elapsed
    return figures


def in_process(function, *arguments):
    """Returns a function's result, from a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def as_table(found):
    """Returns a table of the medians.

    Args:
        found: dict from (variant, form) to the figures of its rounds, a list of dicts.
    """
    rows = []
    for (variant, form), rounds in found.items():
        middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        rows.append(
            [
                variant,
                form,
                f"{middle['load']:.1f} s",
                f"{middle['warm-up']:.1f} s",
                f"{middle['memory'] / 1e9:.2f} GB",
                f"{1e3 * middle['p50 of 1']:.0f} / {1e3 * middle['p99 of 1']:.0f} ms",
                f"{middle['files per second, 1']:.1f}",
                f"{1e3 * middle['p50 of 8']:.0f} ms",
                f"{middle['files per second, 8']:.1f}",
            ]
        )
    header = ["variant", "form", "load", "warm-up", "memory", "one file, p50 / p99"]
    return table([*header, "files per second", "batch of 8", "files per second"], rows, 2)


def main():
    """Exports, measures and prints a table, and a line of JSON per process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    parser.add_argument("--requests", type=positive, default=60, help="files per number of clients")
    parser.add_argument("--rounds", type=positive, default=3)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    print(processor_name(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        paths = in_process(exported, options.variants, folder)
        found = {key: [] for key in paths}
        for _ in range(options.rounds):
            for key, path in paths.items():
                found[key].append(in_process(served, path, options.requests))
                print(json.dumps([*key, found[key][-1]]), flush=True)
    print(as_table(found))
    return 0


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())
