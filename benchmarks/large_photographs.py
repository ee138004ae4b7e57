"""Training images per second from photographs of 12 megapixels.

usage: python -m benchmarks.large_photographs [--cores 2] [--rounds 3] [--seconds 6] [--json FILE]

The recipe `finetune` makes batches of 16 images from 4000x3000 JPEG files: from crops in full size,
with JPEG's reduction where the crop allows it, and from reduced copies, as `train` does. The time
of decoding depends on the bytes of a file, so there are files of little and of much grain. All take
turns in one process; on a busy machine, "by processor time" gives the rate of the cores alone.

Copies are made before the first epoch: the mean of ten epochs contains that time.
"""

import dataclasses
import functools
import json
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.input_pipeline import parsed_arguments, turn
from benchmarks.photographs import write_photographs
from benchmarks.processor import restrict_to
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.terminal import output_that_never_fails
from training.data.batches import training_batches
from training.data.copy_plan import CopyPlan
from training.data.opening import open_data_set
from training.data.reduced_copies import remove_copies, with_reduced_copies
from training.recipes.finetune import FINETUNE
from training.report.markdown import table

BATCH_SIZE = 16
IMAGES = 20  # a batch of training images, and the rest for validation
SIZE = (3000, 4000)
GRAINS = (3, 8)
SIDES = (64, 128, 224)
EPOCHS = 10
FULL, REDUCED, COPIES = "full", "reduced where the crop allows it", "reduced copies"
MAKING = "making the reduced copies"
TEN_EPOCHS = f"reduced copies, mean of {EPOCHS} epochs"


def pipelines(split, folder):
    """Returns endless data sets of batches by (side of the images, form of the photographs).

    Copies are made in `folder`; their function is returned too, by side.
    """
    found, making = {}, {}
    for side in SIDES:
        model = dataclasses.replace(FINETUNE.model, image_size=(side, side))
        recipe = dataclasses.replace(FINETUNE, batch_size=BATCH_SIZE, model=model)
        # Only antialiased crops may be decoded in less than full size.
        augmentation = dataclasses.replace(FINETUNE.augmentation, crop_antialias=False)
        full = dataclasses.replace(recipe, augmentation=augmentation)
        making[side] = functools.partial(
            with_reduced_copies, split, CopyPlan.of(recipe), folder / str(side), tell=lambda _: None
        )
        found[side, FULL] = training_batches(split, full, seed=0)
        found[side, REDUCED] = training_batches(split, recipe, seed=0)
        found[side, COPIES] = training_batches(making[side](), recipe, seed=0)
    return found, making


def copy_turn(make, folder):
    """Makes copies anew; returns images per second of wall time and of processor time."""
    remove_copies(folder)
    start = time.process_time()
    split = make()
    return 1 / split.seconds_per_image, split.size / (time.process_time() - start)


def measure(grain, cores, rounds, seconds):
    """Returns a list of dicts, one per pipeline, for photographs of one grain."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as copies:
        size = write_photographs(Path(folder), IMAGES, SIZE, grain=grain)
        split = open_data_set(f"folder:{folder}", validation_share=0.2).training
        data, making = pipelines(split, Path(copies))
        turns = {(side, MAKING): [] for side in making} | {pipeline: [] for pipeline in data}
        for _ in range(rounds):
            for side, make in making.items():
                turns[side, MAKING].append(copy_turn(make, Path(copies) / str(side)))
            for pipeline, batches in data.items():
                turns[pipeline].append(turn(batches, seconds, BATCH_SIZE))
    rates = {
        pipeline: (
            statistics.median(by_clock for by_clock, _ in results),
            cores * statistics.median(by_processor for _, by_processor in results),
        )
        for pipeline, results in turns.items()
    }
    for side in SIDES:
        rates[side, TEN_EPOCHS] = tuple(
            EPOCHS / (1 / making + EPOCHS / reading)
            for making, reading in zip(rates[side, MAKING], rates[side, COPIES], strict=True)
        )
    return [
        {
            "file size": size,
            "side": side,
            "form": form,
            "images per second": rates[side, form][0],
            "by processor time": rates[side, form][1],
        }
        for side in SIDES
        for form in (FULL, REDUCED, MAKING, COPIES, TEN_EPOCHS)
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
            each["form"],
            f"{each['images per second']:.0f}",
            f"{each['by processor time']:.0f}",
        )
        for each in figures
    ]
    print(f"{cores} cores, photographs of 4000x3000\n")
    print(table(["file", "images", "photographs", "images/s", "by processor time"], rows, 3))


if __name__ == "__main__":
    with output_that_never_fails():
        main()
