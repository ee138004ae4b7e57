"""One model for several image sizes: what trains it.

usage: python -m benchmarks.several_sizes [WAY ...] [--seed N] [--output FILE.json]

Trains the quickstart's model in its ten epochs on 4,500 images of Fashion-MNIST, and prints its
top-1 on the 1,000 test images at 64x64, 96x96 and 128x128, its weights resampled. WAY is
`one-size`, at 64x64; `crops`, the same with random crops of 0.2 to 1 of the image's area, which
show objects up to 2.2 times larger; `several-sizes`, a third of each batch at every size; or
`smallest-twice`, half of each batch at 64x64 and a quarter at each other size. Without any, all.
"""

import argparse
import dataclasses
import json

import keras

from benchmarks.sizes import SEED, top_1, train
from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument
from keras_cabvit.terminal import output_that_never_fails
from keras_cabvit.weights import resized_model
from training.data.fashion_mnist import CLASS_NAMES
from training.recipes.model import build_model
from training.recipes.quickstart import QUICKSTART
from training.recipes.recipe import Recipe
from training.report.markdown import table

SIDES = (64, 96, 128)
# The sizes among which the batches of a way are divided.
_DIVIDED = {"several-sizes": SIDES, "smallest-twice": (min(SIDES), *SIDES)}
WAYS = ("one-size", "crops", *_DIVIDED)


def _recipe(way: str) -> Recipe:
    if way == "crops":
        augmentation = dataclasses.replace(QUICKSTART.augmentation, crop_scale=(0.2, 1.0))
        return dataclasses.replace(QUICKSTART, augmentation=augmentation)
    if way in _DIVIDED:
        side = max(SIDES)
        model = dataclasses.replace(
            QUICKSTART.model, image_size=(side, side), image_sizes=_DIVIDED[way]
        )
        return dataclasses.replace(QUICKSTART, model=model)
    return QUICKSTART


def main(arguments: list[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.several_sizes", description=__doc__)
    parser.add_argument("ways", nargs="*", metavar="WAY", help=f"any of {', '.join(WAYS)}")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help=f"{SEED} by default")
    parser.add_argument("--output", type=path_argument, metavar="FILE.json")
    options = parser.parse_args(arguments)
    if unknown := set(options.ways) - set(WAYS):
        parser.error(f"WAY must be one of {', '.join(WAYS)}. Received: {', '.join(unknown)}")
    found = []
    for way in options.ways or WAYS:
        recipe = _recipe(way)
        keras.utils.set_random_seed(options.seed)
        model = build_model(recipe.model, len(CLASS_NAMES))
        train(model, recipe, options.seed)
        scores = {f"{side}x{side}": top_1(resized_model(model, (side, side))) for side in SIDES}
        found.append({"training": way, **scores})
        print(found[-1], flush=True)
    columns = ("training", *(f"{side}x{side}" for side in SIDES))
    print(table(columns, [[row["training"], *_shown(row)] for row in found], 1))
    if options.output is not None:
        write_text_atomically(options.output, json.dumps(found, indent=2) + "\n")


def _shown(row: dict) -> list[str]:
    return [f"{score:.1%}" for name, score in row.items() if name != "training"]


if __name__ == "__main__":
    with output_that_never_fails():
        main()
