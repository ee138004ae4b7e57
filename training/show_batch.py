"""Shows the images of a training step as the model sees them."""

import dataclasses

from keras_cabvit.atomic_files import atomic_path
from training.data.batches import training_batches
from training.report.figures.batch import draw_batch


def show_batch(split, recipe, path, seed=0, step=0, count=32):
    """Writes a PNG with the augmented images of one step of a run, and their labels.

    Args:
        split: `Split` of the training images.
        recipe: `Recipe`. Where it asks for more images a batch than there are, all of them are one.
        path: PNG file to write; one that is there is replaced.
        seed: integer, of the run.
        step: integer, counted from 0.
        count: integer, how many images of the batch are drawn, from its first on.

    Returns:
        How many images were drawn.

    Raises:
        ValueError: `step` or `count` is out of range, or there are no images.
    """
    if step < 0 or count < 1:
        raise ValueError(
            f"`step` must be 0 or more and `count` at least 1. Received: step={step}, count={count}"
        )
    recipe = dataclasses.replace(recipe, batch_size=min(recipe.batch_size, split.size))
    batches = training_batches(split, recipe, seed, first_step=step)
    images, labels = next(batches.as_numpy_iterator())
    with atomic_path(path) as partial:
        draw_batch(images[:count], labels[:count], split.class_names, partial)
    return min(count, len(images))
