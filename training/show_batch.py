"""Draws the images of a training step as the model sees them."""

import dataclasses
import os

from keras_cabvit.atomic_files import atomic_path
from keras_cabvit.paths import local_path
from training.data.batches import training_batches
from training.data.split import Split
from training.recipes.checks import check_recipe
from training.recipes.recipe import Recipe
from training.report.figures.batch import draw_batch
from training.run.options import check_seed


def show_batch(
    split: Split,
    recipe: Recipe,
    path: str | os.PathLike,
    seed: int = 0,
    step: int = 0,
    count: int = 32,
) -> int:
    """Writes a PNG with the augmented images of one step of a run, and their labels.

    Args:
        split: `Split` of the training images.
        recipe: `Recipe`. If its batch is larger than the split, the batch is the whole split.
        path: PNG file to write; an existing one is replaced.
        seed: integer, the seed of the run.
        step: integer, counted from 0.
        count: integer, the number of images to draw, from the first one of the batch.

    Returns:
        The number of images drawn.

    Raises:
        ValueError: `step`, `count`, `seed` or a number of the recipe is out of range, or there are
            no images.
    """
    if step < 0 or count < 1:
        raise ValueError(
            f"`step` must be 0 or more and `count` at least 1. Received: step={step}, count={count}"
        )
    path = local_path(path)
    check_recipe(recipe)
    check_seed(seed)
    recipe = dataclasses.replace(recipe, batch_size=min(recipe.batch_size, split.size))
    batches = training_batches(split, recipe, seed, first_step=step)
    images, labels = next(batches.as_numpy_iterator())
    with atomic_path(path) as partial:
        draw_batch(images[:count], labels[:count], split.class_names, partial)
    return min(count, len(images))
