"""Types of the fields of run.json that are read somewhere."""

import math
import reprlib
from collections.abc import Callable
from typing import Any

from keras_cabvit.data.crops import is_crop


def wrong_field(run: dict) -> str | None:
    """Returns a sentence on the first field that has another type; None if there is none.

    Any field may be missing or null.

    Args:
        run: dict, the content of run.json.
    """
    for field, (fits, right) in _FIELDS.items():
        for value in _values(run, field):
            if value is not None and not fits(value):
                return f"{field} must be {right}. It is {reprlib.repr(value)}."
    return None


def _values(run: dict, field: str) -> list[Any]:
    """Returns the values of a field with a dotted name; "a[].b" is b of each object in a list."""
    values: list[Any] = [run]
    for key in field.split("."):
        name = key.removesuffix("[]")
        values = [value.get(name) for value in values if isinstance(value, dict)]
        if key.endswith("[]"):
            values = [each for value in values if isinstance(value, list) for each in value]
    return values


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and type(value) is not bool and math.isfinite(value)


def _is_integer(value: Any) -> bool:
    return type(value) is int


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_size(value: Any) -> bool:
    return _is_list_of(_is_integer)(value) and len(value) == 2 and min(value) > 0


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _is_object_of_pairs(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_pair, value.values()))


def _is_list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _object_of(*fields: str) -> tuple[Callable[[Any], bool], str]:
    """Returns the check of an object that has some fields, and its description."""

    def fits(value: Any) -> bool:
        return isinstance(value, dict) and all(value.get(name) is not None for name in fields)

    return fits, f"an object with {', '.join(fields[:-1])} and {fields[-1]}"


# In this order: an object comes before its fields.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        (
            "recipe",
            "recipe.model",
            "versions",
            "checksums",
            "scores",
            "images_per_class",
        ),
        (_is_object, "an object"),
    ),
    "extends": _object_of("run", "added", "removed"),
    "none_of_these": _object_of("threshold", "coverage", "validation"),
    "none_of_these.validation": _object_of("images", "refused", "right_refused"),
    **dict.fromkeys(
        (
            "data",
            "data_source",
            "labels",
            "command",
            "validation_note",
            "test_note",
            "early_stop",
            "finished",
        ),
        (_is_text, "text"),
    ),
    **dict.fromkeys(
        (
            "seed",
            "split_seed",
            "epoch",
            "extends.added",
            "extends.removed",
            "none_of_these.validation.images",
        ),
        (_is_integer, "an integer"),
    ),
    **dict.fromkeys(
        (
            "recipe.validation_share",
            "none_of_these.threshold",
            "none_of_these.coverage",
            "none_of_these.validation.refused",
            "none_of_these.validation.right_refused",
            "none_of_these.validation.wrong_refused",
            "none_of_these.validation.accuracy",
        ),
        (_is_share, "a number from 0 to 1"),
    ),
    **dict.fromkeys(
        ("class_names", "broken_images"),
        (_is_list_of(_is_text), "a list of texts"),
    ),
    "validation_images": (
        # The number, in the record of an earlier `train-in-memory`.
        lambda value: _is_list_of(_is_text)(value) or _is_integer(value),
        "a list of texts",
    ),
    "images_per_class.training": (_is_list_of(_is_integer), "a list of integers"),
    "continued": (_is_list_of(_is_object), "a list of objects"),
    "continued[].versions": (_is_object, "an object"),
    "continued[].optimization": (_is_object_of_pairs, "an object of lists [before, now]"),
    "continued[].data": (_is_pair, "a list [before, now]"),
    "recipe.group_duplicates": (_is_flag, "true or false"),
    "recipe.evaluation_crop": (is_crop, "a number above 0, at most 1"),
    "recipe.model.image_size": (_is_size, "[height, width] in pixels"),
    "seconds": (_is_number, "a number"),
}
