"""`PredictFiles` over many files on Beam's local runner with two worker processes.

    python -m benchmarks.beam [--files 10000] [--output FILE.json]

Classifies small JPEG files, one in 500 of them broken, with the weights that the package contains.
Ends with status 1 unless every file is in the output exactly once and exactly the broken ones are
named. Writes the memory of the worker processes over the time of the run. Beam has an environment
of its own: see docs/beam.md.
"""

import argparse
import collections
import importlib.metadata
import json
import os
import tempfile
import threading
import time
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow.parquet
import tensorflow as tf
from apache_beam.io import fileio
from apache_beam.options.pipeline_options import PipelineOptions

import keras_cabvit
from benchmarks.processor import processor_name
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.beam import PredictFiles
from keras_cabvit.commands.arguments import path_argument, positive

_OUTPUT = Path(__file__).with_suffix(".json")
_BROKEN = 500
_WORKERS = 2
_SEED = 0


def make_files(folder, count):
    """Writes JPEG files, and returns the names of those that are cut short."""
    generator = np.random.default_rng(_SEED)
    broken = set()
    for number in range(count):
        # Few coarse colours, of several sizes, so that the files are small and all different.
        height, width = generator.integers(64, 128, 2)
        colours = generator.integers(0, 256, (8, 8, 3), "uint8")
        pixels = colours.repeat(16, 0).repeat(16, 1)[:height, :width]
        encoded = tf.io.encode_jpeg(pixels).numpy()
        path = folder / f"{number % 100:02}" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        if number % _BROKEN == 0:
            broken.add(str(path))
            encoded = encoded[: len(encoded) // 2]
        path.write_bytes(encoded)
    return broken


class Memory(threading.Thread):
    """Samples the memory of the processes that this one starts, once a second.

    Attributes:
        samples: list of (seconds, bytes by process).
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.samples = []
        self._ended = threading.Event()

    def run(self):
        start = time.monotonic()
        while not self._ended.wait(1):
            self.samples.append((time.monotonic() - start, self._now()))

    def end(self):
        self._ended.set()
        self.join()

    def _now(self):
        """Returns the resident bytes of all descendants that hold more than 200 MB."""
        parents, sizes = {}, {}
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(
                    line.split(":", 1) for line in status.read_text().splitlines() if ":" in line
                )
            except OSError:  # it has ended
                continue
            process = int(status.parent.name)
            parents[process] = int(fields["PPid"])
            sizes[process] = 1024 * int(fields.get("VmRSS", "0").split()[0])

        def descends(process):
            while process:
                process = parents.get(process)
                if process == os.getpid():
                    return True
            return False

        return {each: size for each, size in sizes.items() if size > 2e8 and descends(each)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=positive, default=10_000)
    parser.add_argument("--output", type=path_argument, default=_OUTPUT)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        images = folder / "images"
        images.mkdir()
        broken = make_files(images, options.files)
        model = folder / "model.keras"
        keras_cabvit.CabViTH_T(weights="tiny_imagenet").save(model)
        memory = Memory()
        memory.start()
        start = time.monotonic()
        workers = PipelineOptions(
            direct_num_workers=_WORKERS, direct_running_mode="multi_processing"
        )
        with beam.Pipeline("FnApiRunner", workers) as pipeline:
            files = pipeline | fileio.MatchFiles(f"{images}/*/*") | fileio.ReadMatches()
            predictions, unreadable = files | PredictFiles(model, top=1, crop=0.875)
            predictions | "Rows" >> beam.io.WriteToParquet(f"{folder}/predictions")
            unreadable | "Errors" >> beam.io.WriteToParquet(f"{folder}/unreadable")
        seconds = time.monotonic() - start
        memory.end()
        found = collections.Counter(names(folder, "predictions*"))
        named = collections.Counter(names(folder, "unreadable*"))

    every = found + named
    once = sum(number == 1 for number in every.values())
    result = {
        "processor": processor_name(),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("apache-beam", "keras", "tensorflow")
        },
        "workers": _WORKERS,
        "files": options.files,
        "files_in_the_output_once": once,
        "files_in_the_output_more_than_once": len(every) - once,
        "broken_files": len(broken),
        "broken_files_named": len(broken & named.keys()),
        "other_files_named_as_broken": len(named.keys() - broken),
        "seconds": round(seconds),
        "memory_of_each_worker_mb": shares_of(memory.samples),
    }
    write_text_atomically(options.output, json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0 if once == options.files and named.keys() == broken else 1


def names(folder, pattern):
    """Yields the files that Parquet files name."""
    for path in folder.glob(pattern):
        yield from pyarrow.parquet.read_table(path).column("file").to_pylist()


def shares_of(samples):
    """Returns the memory of each of the largest processes at shares of the time that both ran."""
    last = samples[-1][1] if samples else {}
    peaks = collections.Counter()
    for _, sizes in samples:
        for process, size in sizes.items():
            peaks[process] = max(peaks[process], size)
    workers = [process for process, _ in peaks.most_common(_WORKERS)]
    both = [sizes for _, sizes in samples if all(each in sizes for each in workers)] or [last]
    found = {}
    for share in (0.1, 0.25, 0.5, 0.75, 1.0):
        sizes = both[round(share * (len(both) - 1))]
        found[f"{share:.0%}"] = [round(sizes.get(each, 0) / 1e6) for each in workers]
    return found | {"peak": [round(peaks[each] / 1e6) for each in workers]}


if __name__ == "__main__":
    raise SystemExit(main())
