"""Compiles a step of eight million images, and prints the refusal."""

import dataclasses
import json

from tiny_step import CLASSES, TINY, TOPOLOGY

from training.recipes.imagenet import imagenet_recipe
from training.tpu.compiled_step import DoesNotFit, compile_step
from training.tpu.slices import find_slice

recipe = dataclasses.replace(
    imagenet_recipe(TINY.variant, drop_path_rate=None), model=TINY, batch_size=2**23
)
try:
    compile_step(recipe, CLASSES, find_slice(TOPOLOGY))
except DoesNotFit as refusal:
    print(json.dumps({"sentence": str(refusal)} | vars(refusal)))
