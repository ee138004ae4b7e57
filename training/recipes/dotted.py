"""Fields of a recipe by their dotted names, such as "model.variant"."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from training.recipes.recipe import Recipe


def with_fields(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """Returns a recipe with other values of some fields, given by their dotted names."""
    for name, value in values.items():
        group, _, field = name.rpartition(".")
        if group:
            changed = dataclasses.replace(getattr(recipe, group), **{field: value})
            recipe = dataclasses.replace(recipe, **{group: changed})
        else:
            recipe = dataclasses.replace(recipe, **{field: value})
    return recipe


def field_of(recipe: Recipe, name: str) -> Any:
    """Returns the value of a field, given by its dotted name."""
    group, _, field = name.rpartition(".")
    return getattr(getattr(recipe, group) if group else recipe, field)


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (dotted name, value) for everything in nested dicts, as of a recipe in run.json."""
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], f"{name}.{key}".strip("."))
    else:
        yield name, value
