"""The line, before the first step, on the model and the length of its training."""

import math

import keras

from training.recipes.recipe import Recipe


def run_overview(model: keras.Model, recipe: Recipe, steps: int) -> str:
    """Returns the parameters of a model, its image size and its steps, as text.

    Args:
        model: the model. Frozen parameters are not counted.
        recipe: `Recipe`.
        steps: integer, batches per epoch.
    """
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    height, width = recipe.model.image_size
    return (
        f"{recipe.model.variant} with {parameters:,} parameters to train, images of "
        f"{width}x{height}; {steps:,} steps of {recipe.batch_size:,} images per epoch, "
        f"{steps * recipe.epochs:,} in {recipe.epochs:,} epoch{'s' * (recipe.epochs != 1)}."
    )
