"""Ranges of the numbers in a recipe."""

import math
from collections.abc import Callable
from typing import Any

from keras_cabvit.data.crops import is_crop
from keras_cabvit.layers.numpy_arguments import is_positive_integer
from training.recipes.dotted import field_of, leaves
from training.recipes.recipe import Recipe


def check_recipe(recipe: Recipe, recorded: dict | None = None) -> None:
    """Refuses a recipe with a number that is out of its range.

    Not while a recipe is made: it is changed field by field, and run.json of any run can be read.

    Args:
        recipe: `Recipe`.
        recorded: dict, the recipe in run.json of the run that is resumed, or None. Its own values
            are not checked: the run may have begun before there was a range.

    Raises:
        ValueError: the message names the first such field, and its range.
    """
    known = {} if recorded is None else dict(leaves(recorded))
    for name, (fits, right) in _FIELDS.items():
        value = field_of(recipe, name)
        in_json = list(value) if isinstance(value, tuple) else value
        if not fits(value) and not (name in known and known[name] == in_json):
            raise ValueError(f"`{name}` must be {right}. Received: {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and type(value) is not bool and math.isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_at_least_0(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_below_1(value: Any) -> bool:
    return _is_number(value) and 0 <= value < 1


def _is_share_above_0(value: Any) -> bool:
    return _is_number(value) and 0 < value <= 1


def _is_magnitude(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 10


def _is_range_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Returns the check of a smallest and a largest number."""

    def is_range(value: Any) -> bool:
        pair = isinstance(value, (tuple, list)) and len(value) == 2
        return pair and all(map(fits, value)) and value[0] <= value[1]

    return is_range


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


# Sizes and rates of `model` are checked where it is built.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ("epochs", "batch_size", "optimization.accumulation_steps"),
        (is_positive_integer, "an integer of at least 1"),
    ),
    "patience": (
        _or_none(is_positive_integer),
        "an integer of at least 1, or None to train all epochs",
    ),
    # 0 and 1 can draw no validation images, and data with images of its own needs no draw.
    "validation_share": (_is_share, "a number from 0 to 1"),
    "evaluation_crop": (_or_none(is_crop), "a number above 0, at most 1, or None"),
    "model.layer_scale_init": (_or_none(_is_number), "a finite number, or None"),
    **dict.fromkeys(
        ("optimization.learning_rate", "optimization.epsilon"),
        (_is_positive, "a finite number above 0"),
    ),
    "optimization.learning_rate_batch": (
        _or_none(is_positive_integer),
        "an integer of at least 1, or None",
    ),
    "optimization.clip_norm": (_or_none(_is_positive), "a finite number above 0, or None"),
    "optimization.layer_decay": (_is_share_above_0, "a number above 0, at most 1"),
    "optimization.average_momentum": (
        _or_none(_is_below_1),
        "a number of at least 0 and below 1, or None",
    ),
    **dict.fromkeys(
        ("optimization.beta_1", "optimization.beta_2", "augmentation.label_smoothing"),
        (_is_below_1, "a number of at least 0 and below 1"),
    ),
    **dict.fromkeys(
        (
            "optimization.warmup_epochs",
            "optimization.final_learning_rate",
            "optimization.weight_decay",
            "augmentation.mixup_alpha",
            "augmentation.cutmix_alpha",
            "augmentation.rand_augment_magnitude_std",
        ),
        (_is_at_least_0, "a finite number of at least 0"),
    ),
    **dict.fromkeys(
        (
            "augmentation.horizontal_flip",
            "augmentation.vertical_flip",
            "augmentation.rand_augment_probability",
            "augmentation.erasing_probability",
        ),
        (_is_share, "a number from 0 to 1"),
    ),
    "augmentation.rand_augment_operations": (_is_count, "an integer of at least 0"),
    "augmentation.rand_augment_magnitude": (_is_magnitude, "a number from 0 to 10"),
    "augmentation.crop_scale": (
        _is_range_of(_is_share_above_0),
        "two numbers above 0, at most 1, the smaller one first",
    ),
    "augmentation.crop_ratio": (
        _is_range_of(_is_positive),
        "two finite numbers above 0, the smaller one first",
    ),
}
