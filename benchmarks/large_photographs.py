"""Training images per second from photographs of 12 megapixels.

usage: python -m benchmarks.large_photographs [--cores 2] [--rounds 3] [--seconds 6] [--json FILE]

The recipe `finetune` makes batches of 16 images from 4000x3000 JPEG files: with JPEG's reduction
where the crop allows it, and from crops in full size. The time of decoding depends on the bytes of
a file, so there are files of little and of much grain. All take turns in one process; on a busy
machine, "by processor time" gives the rate of the cores alone.
"""

import dataclasses
import json
import statistics
import tempfile
from pathlib import Path

from benchmarks.input_pipeline import parsed_arguments, restrict_to, turn
from benchmarks.photographs import write_photographs
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.terminal import output_that_never_fails
from training.data.batches import training_batches
from training.data.opening import open_data_set
from training.recipes.finetune import FINETUNE
from training.report.markdown import table

BATCH_SIZE = 16
IMAGES = 20  # a batch of training images, and the rest for validation
SIZE = (3000, 4000)
GRAINS = (3, 8)
SIDES = (64, 128, 224)


def pipelines(split):
    """Returns endless data sets of batches by (side of the images, whether they are reduced)."""
    found = {}
    for side in SIDES:
        model = dataclasses.replace(FINETUNE.model, image_size=(side, side))
        for reduced in (True, False):
            # Only antialiased crops may be decoded in less than full size.
            augmentation = dataclasses.replace(FINETUNE.augmentation, crop_antialias=reduced)
            recipe = dataclasses.replace(
                FINETUNE, batch_size=BATCH_SIZE, model=model, augmentation=augmentation
            )
            found[side, reduced] = training_batches(split, recipe, seed=0)
    return found


def measure(grain, cores, rounds, seconds):
    """Returns a list of dicts, one per pipeline, for photographs of one grain."""
    with tempfile.TemporaryDirectory() as folder:
        size = write_photographs(Path(folder), IMAGES, SIZE, grain=grain)
        split = open_data_set(f"folder:{folder}", validation_share=0.2).training
        data = pipelines(split)
        turns = {pipeline: [] for pipeline in data}
        for _ in range(rounds):
            for pipeline, batches in data.items():
                turns[pipeline].append(turn(batches, seconds, BATCH_SIZE))
    return [
        {
            "file size": size,
            "side": side,
            "reduced": reduced,
            "images per second": statistics.median(by_clock for by_clock, _ in results),
            "by processor time": cores * statistics.median(rate for _, rate in results),
        }
        for (side, reduced), results in turns.items()
    ]


def main():
    """Prints the measurement as a table, and writes it as JSON if asked."""
    arguments = parsed_arguments(__doc__.splitlines()[0], rounds=3, seconds=6.0)
    cores = restrict_to(arguments.cores)
    figures = [
        each
        for grain in GRAINS
        for each in measure(grain, cores, arguments.rounds, arguments.seconds)
    ]
    if arguments.json:
        text = json.dumps({"cores": cores, "figures": figures}, indent=2)
        write_text_atomically(arguments.json, text + "\n")
    rows = [
        (
            f"{each['file size'] / 1e6:.1f} MB",
            f"{each['side']}x{each['side']}",
            "reduced where the crop allows it" if each["reduced"] else "full",
            f"{each['images per second']:.0f}",
            f"{each['by processor time']:.0f}",
        )
        for each in figures
    ]
    print(f"{cores} cores, photographs of 4000x3000\n")
    print(table(["file", "images", "decoding", "images/s", "by processor time"], rows, 3))


if __name__ == "__main__":
    with output_that_never_fails():
        main()
