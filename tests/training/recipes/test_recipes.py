import dataclasses
import importlib

import keras
import pytest

from training.recipes import RECIPES
from training.recipes.model import build_model

IMAGENET = [name for name in RECIPES if name.startswith("imagenet")]


@pytest.mark.parametrize("name", RECIPES)
def test_docstring_states_command_hardware_cost_and_result(name):
    text = importlib.import_module(f"training.recipes.{name}").__doc__.lower()

    assert f"python -m training train --recipe {name}" in text
    for word in ("hardware", "cost", "result"):
        assert word in text


@pytest.mark.parametrize("name", IMAGENET)
def test_imagenet_recipe_is_the_authors(name):
    recipe = RECIPES[name]
    optimization, augmentation = recipe.optimization, recipe.augmentation

    assert (recipe.epochs, recipe.batch_size) == (300, 1024)
    assert recipe.precision == "mixed_bfloat16"
    assert recipe.effective_crop == 224 / 256
    larger = dataclasses.replace(recipe.model, image_size=(384, 384))
    assert dataclasses.replace(recipe, model=larger).effective_crop == 1
    assert dataclasses.asdict(optimization) == {
        "learning_rate": 2e-3,
        "learning_rate_batch": 1024,
        "warmup_epochs": 20,
        "final_learning_rate": 1e-6,
        "weight_decay": 0.05,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-8,
        "clip_norm": None,
        "layer_decay": 1.0,
        "average_momentum": 0.9999,
        "average_warmup": False,
        "accumulation_steps": 1,
    }
    assert (augmentation.mixup_alpha, augmentation.cutmix_alpha) == (0.8, 1.0)
    assert (augmentation.rand_augment_operations, augmentation.rand_augment_magnitude) == (2, 9)
    assert augmentation.rand_augment_magnitude_std == 0.5
    assert augmentation.rand_augment_probability == 0.5
    assert augmentation.erasing_probability == 0.25
    assert augmentation.label_smoothing == 0.1
    assert augmentation.crop_scale == (0.08, 1.0)


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("imagenet_cabvith_t", 0.0),
        ("imagenet_cabvith_s", 0.1),
        ("imagenet_cabvith_b", 0.2),
        ("imagenet_cabvith_l", 0.4),
        ("imagenet_cabvitp_t", 0.0),
    ],
)
def test_stochastic_depth_is_the_variants(name, rate):
    model = RECIPES[name].model

    assert model.variant.lower() in name
    assert model.drop_path_rate == rate


def test_fashion_mnist_recipe_trains_the_smallest_hybrid():
    with keras.StatelessScope(initialize_variables=False):  # it needs no values
        model = build_model(RECIPES["fashion_mnist"].model, classes=10)

    assert model.name == "cabvith_t"
    assert model.output_shape == (None, 10)
