"""Checks of a recipe that is to be trained in memory, which need no JAX."""

from typing import Any

from training.recipes.dotted import field_of
from training.recipes.recipe import Recipe

# The only values that are implemented in JAX, by the dotted names of the recipe's fields.
_NEEDED: dict[str, Any] = {
    "augmentation.erasing_probability": 0,
    "augmentation.vertical_flip": 0,
    "augmentation.crop_interpolation": "bilinear",
    "augmentation.crop_antialias": False,
    "augmentation.library": "tensorflow",
    "class_balance": "none",
    "freeze": (),
    "patience": None,
    "select": "last",
    "optimization.accumulation_steps": 1,
    "model.image_sizes": None,
}


def check_for_memory(recipe: Recipe) -> None:
    """Refuses a recipe that needs something that training in memory does not do.

    Raises:
        ValueError: a field has a value that is not implemented in JAX.
    """
    needed = dict(_NEEDED)
    if recipe.augmentation.rand_augment_operations:
        needed["augmentation.rand_augment_interpolation"] = "bilinear"
    if recipe.evaluation_crop is not None:  # None scores whole images too
        needed["evaluation_crop"] = 1.0
    for name, value in needed.items():
        found = field_of(recipe, name)
        if found != value:
            raise ValueError(f"Training in memory needs `{name}={value}`. Received: {name}={found}")
