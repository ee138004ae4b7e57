import dataclasses
import math
import re
import typing

import pytest

from training.recipes import RECIPES
from training.recipes.checks import check_recipe
from training.recipes.dotted import field_of, with_fields
from training.recipes.quickstart import QUICKSTART
from training.recipes.recipe import Augmentation, Optimization, Recipe

RECIPE = RECIPES["finetune"]
FORMS = {"": Recipe, "optimization.": Optimization, "augmentation.": Augmentation}
NUMBERS = [
    group + name
    for group, form in FORMS.items()
    for name, kind in typing.get_type_hints(form).items()
    if {kind, *typing.get_args(kind)} & {int, float}
]


@pytest.mark.parametrize("recipe", [*RECIPES.values(), QUICKSTART], ids=[*RECIPES, "quickstart"])
def test_shipped_recipes_are_in_range(recipe):
    check_recipe(recipe)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -1])
def test_every_number_has_a_range(name, value):
    if isinstance(field_of(RECIPE, name), tuple):
        value = (0.5, value)
    with pytest.raises(ValueError, match=f"^`{name}` must be .*Received: "):
        check_recipe(with_fields(RECIPE, {name: value}))


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("epochs", 0, "an integer of at least 1"),
        ("batch_size", 8.0, "an integer of at least 1"),
        ("optimization.accumulation_steps", True, "an integer of at least 1"),
        ("patience", 0, "an integer of at least 1, or None to train all epochs"),
        ("validation_share", 1.5, "a number from 0 to 1"),
        ("evaluation_crop", 0.0, "a number above 0, at most 1, or None"),
        ("model.layer_scale_init", math.nan, "a finite number, or None"),
        ("optimization.learning_rate", 0.0, "a finite number above 0"),
        ("optimization.learning_rate_batch", 0, "an integer of at least 1, or None"),
        ("optimization.beta_2", 1.0, "a number of at least 0 and below 1"),
        ("optimization.epsilon", 0.0, "a finite number above 0"),
        ("optimization.clip_norm", 0.0, "a finite number above 0, or None"),
        ("optimization.layer_decay", 1.5, "a number above 0, at most 1"),
        ("optimization.average_momentum", 1.0, "a number of at least 0 and below 1, or None"),
        ("augmentation.label_smoothing", 1.0, "a number of at least 0 and below 1"),
        ("augmentation.erasing_probability", 1.1, "a number from 0 to 1"),
        ("augmentation.rand_augment_operations", 0.5, "an integer of at least 0"),
        ("augmentation.rand_augment_magnitude", 11.0, "a number from 0 to 10"),
        ("augmentation.crop_scale", (0.0, 1.0), "two numbers above 0, at most 1, the smaller"),
        ("augmentation.crop_scale", (0.5, 1.5), "two numbers above 0, at most 1, the smaller"),
        ("augmentation.crop_ratio", (1.3, 0.7), "two finite numbers above 0, the smaller one"),
        ("augmentation.crop_ratio", 1.0, "two finite numbers above 0, the smaller one first"),
    ],
)
def test_number_out_of_range_is_refused_with_its_name_and_range(name, value, right):
    start, end = (re.escape(part) for part in (f"`{name}` must be {right}", f". Received: {value}"))
    with pytest.raises(ValueError, match=f"^{start}.*{end}$"):
        check_recipe(with_fields(RECIPE, {name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patience", None),
        ("validation_share", 0),  # of data with validation images of its own
        ("evaluation_crop", 1),
        ("optimization.learning_rate", 1e-30),
        ("optimization.learning_rate", 1e38),
        ("optimization.warmup_epochs", 0),
        ("optimization.final_learning_rate", 0.0),
        ("optimization.beta_1", 0.0),
        ("optimization.average_momentum", 0),
        ("augmentation.horizontal_flip", 1),
        ("augmentation.rand_augment_magnitude", 10),
        ("augmentation.crop_scale", (1, 1)),
        ("augmentation.crop_ratio", (0.75, 4 / 3)),
    ],
)
def test_ends_of_a_range_belong_to_it(name, value):
    check_recipe(with_fields(RECIPE, {name: value}))


def test_values_with_which_a_run_began_are_not_refused():
    began = {"augmentation.rand_augment_magnitude": 15.0, "augmentation.crop_scale": (0.5, 1.5)}
    recipe = with_fields(RECIPE, began)
    recorded = dataclasses.asdict(recipe)
    recorded["augmentation"]["crop_scale"] = [0.5, 1.5]  # as JSON has it
    check_recipe(recipe, recorded)

    with pytest.raises(ValueError, match=r"crop_scale` must be .*Received: \(0\.5, 1\.6\)"):
        check_recipe(with_fields(recipe, {"augmentation.crop_scale": (0.5, 1.6)}), recorded)
