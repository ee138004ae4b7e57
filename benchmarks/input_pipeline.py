"""The input pipeline's training images per second, compared with Keras' own layers.

usage: python -m benchmarks.input_pipeline [--cores 2] [--rounds 5] [--seconds 4] [--json FILE]

500x375 JPEG files become batches of 64 images of 224x224, as in the ImageNet recipe. The pipelines
take turns in one process, so that other load on the machine affects all alike. On a busy machine,
"by processor time" gives the rate of the cores alone.
"""

import argparse
import dataclasses
import json
import math
import statistics
import tempfile
import time
from pathlib import Path

import keras
import tensorflow as tf

from benchmarks.photographs import write_photographs
from benchmarks.processor import restrict_to
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.terminal import output_that_never_fails
from training.augmentation import random_resized_crop
from training.data.batches import training_batches
from training.data.opening import open_data_set
from training.recipes.imagenet_cabvith_s import IMAGENET_CABVITH_S

BATCH_SIZE = 64
IMAGES = 256
REFERENCE = "Keras layers, bilinear crops"


def pipelines(split):
    """Returns endless data sets of batches by name."""
    bicubic = dataclasses.replace(IMAGENET_CABVITH_S, batch_size=BATCH_SIZE)
    bilinear = _changed(bicubic, crop_interpolation="bilinear", crop_antialias=False)
    only_crops = {
        "horizontal_flip": 0.0,
        "rand_augment_operations": 0,
        "erasing_probability": 0.0,
        "mixup_alpha": 0.0,
        "cutmix_alpha": 0.0,
    }
    return {
        "whole recipe, bilinear crops": training_batches(split, bilinear, seed=0),
        "whole recipe, antialiased bicubic crops": training_batches(split, bicubic, seed=0),
        "bilinear crops alone": training_batches(split, _changed(bilinear, **only_crops), seed=0),
        "antialiased bicubic crops alone": training_batches(
            split, _changed(bicubic, **only_crops), seed=0
        ),
        REFERENCE: keras_batches(split, bilinear),
    }


def _changed(recipe, **options):
    return dataclasses.replace(
        recipe, augmentation=dataclasses.replace(recipe.augmentation, **options)
    )


def keras_batches(split, recipe):
    """The recipe, as closely as `keras.layers` allow, on the same crops.

    RandAugment draws its operations once per call, so it is called for every image.
    """
    size, classes = recipe.model.image_size, len(split.class_names)
    flip = keras.layers.RandomFlip("horizontal")
    rand_augment = keras.layers.RandAugment(value_range=(0, 255), num_ops=2, factor=0.9)
    erase = keras.layers.RandomErasing((0.25, 0.25), value_range=(0, 255))
    mixup, cutmix = keras.layers.MixUp(0.8), keras.layers.CutMix((1.0, 1.0))

    def of_image(number):
        example = split.at(number % split.size)
        seed = tf.stack([0, number])
        image = random_resized_crop(split.image(example), size, recipe.augmentation, seed)
        image = rand_augment(flip(tf.cast(image, tf.float32), training=True), training=True)
        return image, example["label"]

    def of_batch(images, labels):
        batch = {"images": erase(images, training=True), "labels": tf.one_hot(labels, classes)}
        mixed = tf.cond(
            tf.random.uniform(()) < 0.5,
            lambda: mixup(batch, training=True),
            lambda: cutmix(batch, training=True),
        )
        return mixed["images"], mixed["labels"]

    return (
        tf.data.Dataset.range(tf.int64.max)
        .map(of_image, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(recipe.batch_size, drop_remainder=True)
        .map(of_batch, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def turn(batches, seconds, batch_size=BATCH_SIZE):
    """Returns images per second of wall time and of processor time."""
    # A new iterator each time: an earlier one would keep working while others are measured.
    iterator = iter(batches)
    for _ in range(2):
        next(iterator)
    start, processor_start = time.perf_counter(), time.process_time()
    images = 0
    while time.perf_counter() - start < seconds:
        next(iterator)
        images += batch_size
    elapsed = time.perf_counter() - start
    return images / elapsed, images / (time.process_time() - processor_start)


def measure(split, cores, rounds, seconds):
    """Returns the figures of all pipelines, and ratios of their medians."""
    data = pipelines(split)
    turns = {name: [] for name in data}
    for _ in range(rounds):
        for name, batches in data.items():
            turns[name].append(turn(batches, seconds))
    figures = {}
    for name, results in turns.items():
        by_clock, by_processor = zip(*results, strict=True)
        figures[name] = {
            "median": statistics.median(by_clock),
            "smallest": min(by_clock),
            "largest": max(by_clock),
            "by processor time": cores * statistics.median(by_processor),
        }
    ratios = {
        f"{name} : {REFERENCE}": figures[name]["median"] / figures[REFERENCE]["median"]
        for name in figures
        if name != REFERENCE
    }
    return {"images per second": figures, "ratios": ratios}


def _seconds(text):
    """Parses a finite number above 0, as a `type` of argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a finite number above 0, not {text!r}")
    return value


def parsed_arguments(description, rounds, seconds):
    """Returns the arguments of a benchmark of pipelines, with these defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cores", type=positive, default=2, help="number of cores to use")
    parser.add_argument("--rounds", type=positive, default=rounds)
    parser.add_argument("--seconds", type=_seconds, default=seconds, help="of each turn")
    parser.add_argument("--json", type=path_argument, help="file to write")
    return parser.parse_args()


def main():
    """Prints the measurement as a table, and writes it as JSON if asked."""
    arguments = parsed_arguments(__doc__.splitlines()[0], rounds=5, seconds=4.0)
    cores = restrict_to(arguments.cores)
    with tempfile.TemporaryDirectory() as folder:
        size = write_photographs(Path(folder), IMAGES)
        split = open_data_set(f"folder:{folder}", validation_share=0.1).training
        result = measure(split, cores, arguments.rounds, arguments.seconds)
    result = {"cores": cores, "mean file size": size, **result}
    if arguments.json:
        write_text_atomically(arguments.json, json.dumps(result, indent=2) + "\n")

    print(f"{cores} cores, {IMAGES} JPEG files of 500x375 and {size / 1000:.0f} kB\n")
    print(f"{'images per second':40}  median  smallest  largest  by processor time")
    for name, figures in result["images per second"].items():
        values = [figures[key] for key in ("median", "smallest", "largest", "by processor time")]
        print("{:40} {:7.0f} {:9.0f} {:8.0f} {:18.0f}".format(name, *values))
    print()
    for name, ratio in result["ratios"].items():
        print(f"{name}: {ratio:.1f}")


if __name__ == "__main__":
    with output_that_never_fails():
        main()
