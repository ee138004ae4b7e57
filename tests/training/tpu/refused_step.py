"""Compiles a step of eight million images."""

import dataclasses

from tiny_step import CLASSES, TINY, TOPOLOGY

from training.recipes.imagenet import imagenet_recipe
from training.tpu.compiled_step import DoesNotFit, compile_step
from training.tpu.slices import find_slice


def refusal():
    """Returns the refusal's sentence and figures."""
    recipe = dataclasses.replace(
        imagenet_recipe(TINY.variant, drop_path_rate=None), model=TINY, batch_size=2**23
    )
    try:
        compile_step(recipe, CLASSES, find_slice(TOPOLOGY))
    except DoesNotFit as error:
        return {"sentence": str(error)} | vars(error)
    raise AssertionError("Eight million images fit.")
