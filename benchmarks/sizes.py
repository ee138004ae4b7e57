"""Fine-tuning at a larger image size, against training from scratch there for as long.

usage: python -m benchmarks.sizes MODEL.keras [--image-size 96] [--epochs 1] [--output FILE.json]

MODEL.keras is the quickstart's model (`python -m training quickstart`), trained at 64x64 on 4,500
images of Fashion-MNIST. Prints its top-1 on the 1,000 test images as it is; at the larger size,
with its weights resampled and no training; and after fine-tuning there on the same 4,500 images.
Another model of the same sizes starts from random weights and trains for the same epochs, once with
the learning rate of fine-tuning and once with the quickstart's.
"""

import argparse
import dataclasses
import json

import keras
import numpy as np

from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.data import evaluation_pixels
from keras_cabvit.runtimes.reading import read_keras_model
from keras_cabvit.terminal import output_that_never_fails
from keras_cabvit.weights import resized_model
from training.data.array_split import ArraySplit
from training.data.batches import steps_per_epoch, training_batches
from training.data.fashion_mnist import CLASS_NAMES, fashion_mnist_subset
from training.data.stratified import held_out
from training.devices.strategies import place
from training.optimization.compiled_model import compiled_model
from training.recipes.model import build_model
from training.recipes.quickstart import QUICKSTART
from training.recipes.recipe import Recipe
from training.report.markdown import table

FINE_TUNING_RATE = 1e-3
SEED = 0


def main(arguments: list[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizes", description=__doc__)
    parser.add_argument("model", type=path_argument, metavar="MODEL.keras")
    parser.add_argument("--image-size", type=positive, default=96)
    parser.add_argument("--epochs", type=positive, default=1)
    parser.add_argument("--output", type=path_argument, metavar="FILE.json")
    options = parser.parse_args(arguments)
    size = (options.image_size, options.image_size)

    model = read_keras_model(options.model)
    rows = [(_shown(model), "as trained", 0, top_1(model))]
    resampled = resized_model(model, size)
    rows.append((_shown(resampled), "weights resampled", 0, top_1(resampled)))
    for start, model, rate in (
        ("weights resampled", resampled, FINE_TUNING_RATE),
        ("random weights", _untrained(size), FINE_TUNING_RATE),
        ("random weights", _untrained(size), QUICKSTART.optimization.learning_rate),
    ):
        train(model, _recipe(size, options.epochs, rate))
        rows.append((_shown(model), f"{start}, rate {rate:g}", options.epochs, top_1(model)))
        print(rows[-1], flush=True)
    columns = ("image size", "start", "epochs at this size", "top-1")
    texts = [[*map(str, row[:-1]), f"{row[-1]:.1%}"] for row in rows]
    print(table(columns, texts, 2))
    if options.output is not None:
        found = [dict(zip(columns, row, strict=True)) for row in rows]
        write_text_atomically(options.output, json.dumps(found, indent=2) + "\n")


def _shown(model: keras.Model) -> str:
    return "x".join(map(str, model.input_shape[1:3]))


def _untrained(size: tuple[int, int]) -> keras.Model:
    keras.utils.set_random_seed(SEED)
    options = dataclasses.replace(QUICKSTART.model, image_size=size)
    return build_model(options, len(CLASS_NAMES))


def _recipe(size: tuple[int, int], epochs: int, rate: float) -> Recipe:
    """Returns the quickstart's recipe at another image size, in other epochs."""
    return dataclasses.replace(
        QUICKSTART,
        epochs=epochs,
        model=dataclasses.replace(QUICKSTART.model, image_size=size),
        optimization=dataclasses.replace(
            QUICKSTART.optimization, learning_rate=rate, warmup_epochs=0.2
        ),
    )


def train(model: keras.Model, recipe: Recipe, seed: int = SEED) -> None:
    """Trains a model by a recipe, on the images that the quickstart trains on."""
    keras.utils.set_random_seed(seed)
    training, _ = fashion_mnist_subset()
    kept = ~held_out(training.labels, recipe.validation_share, seed)
    pixels = evaluation_pixels(training.images[kept], recipe.model.image_size)
    split = ArraySplit(pixels, training.labels[kept], CLASS_NAMES)
    steps = steps_per_epoch(split, recipe.batch_size)
    compiled = compiled_model(model, recipe, steps, place("single").jit_compile)
    compiled.fit(
        training_batches(split, recipe, seed),
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        shuffle=False,  # the batches come shuffled
        verbose=0,
    )


def top_1(model: keras.Model) -> float:
    """Returns the share of the 1,000 test images whose best class is right."""
    _, test = fashion_mnist_subset()
    pixels = evaluation_pixels(test.images, tuple(model.input_shape[1:3]))
    scores = model.predict(pixels, batch_size=100, verbose=0)
    return float(np.mean(scores.argmax(axis=-1) == test.labels))


if __name__ == "__main__":
    with output_that_never_fails():
        main()
