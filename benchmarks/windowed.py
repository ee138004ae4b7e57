"""A hybrid model in windows against the same model without, on large images.

usage: python -m benchmarks.windowed [--variant CabViTH_S] [--sizes 896] [--rounds 5] [--out DIR]

One image at a time, in float32 on TensorFlow, in the form that is trained. Both models of every
size take turns in one process, and times are ratios of one round; the peak memory of a run's
tensors is measured in a process of its own for each. Ends with status 1 if windows take more than
0.7 of the time or 0.5 of the memory at 896x896, or if a size could not be measured.
"""

import argparse
import json
import sys

from benchmarks.contenders import Contender
from benchmarks.in_turns import measure, peak_memory, ratios
from benchmarks.processor import processor_name
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.terminal import output_that_never_fails
from training.report.markdown import table

MOST_TIME, MOST_MEMORY, SIZE = 0.7, 0.5, 896


def figures(variant, sizes, rounds):
    """Returns a dict per size, with ratios of the model in windows to that without.

    There is none for a size of which one of the two could not be measured.
    """
    pairs = [
        [
            Contender(variant, "tensorflow", image_size=size, windowed=windowed)
            for windowed in (True, False)
        ]
        for size in sizes
    ]
    seconds, operations = measure([each for pair in pairs for each in pair], rounds)
    found = []
    for windowed, whole in pairs:
        if windowed not in seconds or whole not in seconds:
            continue
        try:
            memory = [peak_memory(each) for each in (windowed, whole)]
        except ChildProcessError as error:
            print(f"left out: the memory at {whole.image_size}: {error}", flush=True)
            continue
        found.append(
            {
                "size": whole.image_size,
                "operations": operations[windowed] / operations[whole],
                "time": ratios(seconds[windowed], seconds[whole]),
                "seconds": [seconds[windowed], seconds[whole]],
                "memory": memory[0] / memory[1],
                "bytes": memory,
            }
        )
        print(f"memory at {whole.image_size}: {memory}", flush=True)
    return found


def as_markdown(found):
    """Returns the figures as a Markdown table."""
    rows = [
        [
            f"{each['size']}x{each['size']}",
            f"{each['operations']:.2f}",
            f"{each['time']['median']:.2f} ({each['time']['lower quartile']:.2f} to "
            f"{each['time']['upper quartile']:.2f})",
            f"{each['memory']:.2f}",
            f"{each['bytes'][0] / 2**20:.0f} MiB",
            f"{each['bytes'][1] / 2**20:.0f} MiB",
        ]
        for each in found
    ]
    header = ["image", "operations", "time", "memory", "in windows", "without"]
    return table(header, rows, 1) + "\n"


def main():
    """Measures, prints a table, and writes it with JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default="CabViTH_S")
    parser.add_argument("--sizes", nargs="+", type=positive, default=[448, 512, 672, SIZE])
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument(
        "--out", type=path_argument, help="folder for windowed.json and windowed.md"
    )
    options = parser.parse_args()
    found = figures(options.variant, options.sizes, options.rounds)
    text = as_markdown(found)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        result = {"processor": processor_name(), "variant": options.variant, "sizes": found}
        file = options.out / "windowed.json"
        write_text_atomically(file, json.dumps(result, indent=1) + "\n")
        write_text_atomically(options.out / "windowed.md", text)
    print(text, flush=True)
    missed = [
        each
        for each in found
        if each["size"] == SIZE
        and (each["time"]["median"] > MOST_TIME or each["memory"] > MOST_MEMORY)
    ]
    return 1 if missed or len(found) < len(options.sizes) else 0


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())
