"""Parts of a model whose weights training leaves as they are."""

import dataclasses

import keras
import numpy as np
import pytest
import tiny_models
from tiny_runs import RECIPE
from two_layers import replace_models

from training.optimization.compiled_model import compiled_model
from training.optimization.freezing import freeze
from training.recipes.model import build_model


@pytest.fixture(scope="module")
def names():
    """The names of the parts of a hybrid model, from the error of a wrong one."""
    with pytest.raises(ValueError, match="`freeze` must name parts of the model") as error:
        freeze(tiny_models.hybrid(), ["stage_0", "trunk"])
    text, _, received = str(error.value).partition(". Received: ")
    assert received == "trunk"
    return text.partition(": ")[2].split(", ")


def test_unknown_part_is_refused_with_all_names(names):
    assert {"stem", "stage_0", "stage_0_block_0", "merging_1", "stage_2", "predictions"} <= {*names}
    assert {"stage_2_block_0", "stage_2_block_2", "head_norm"} <= {*names}


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("stage_2_block_1", ["block_1"]),
        ("stage_1", ["stage_1_block_0"]),
        ("stem", ["stem"]),
    ],
)
def test_part_is_one_layer_or_a_whole_stage(name, layers):
    model = tiny_models.hybrid()
    everything = len(model.trainable_weights)
    frozen = freeze(model, [name])

    assert [layer.name for layer in frozen] == layers
    inside = sum(len(layer.weights) for layer in frozen)
    assert 0 < everything - len(model.trainable_weights) <= inside


def test_freezing_everything_is_refused(names):
    model = tiny_models.hybrid()

    with pytest.raises(ValueError, match="must leave something to train"):
        freeze(model, names)
    assert all(layer.trainable for layer in model.layers)


def test_frozen_batch_normalization_keeps_its_statistics():
    model = tiny_models.hybrid()
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    freeze(model, ["stem", "stage_2"])
    before = {weight.path: np.array(weight) for weight in model.weights}
    model(images, training=True)
    moved = {
        weight.path.split("/")[0]
        for weight in model.weights
        if not np.array_equal(before[weight.path], np.array(weight))
    }

    assert moved
    assert not moved & {"stem", "stage_2"}


def test_frozen_weights_keep_their_bits_and_have_no_moments(monkeypatch):
    replace_models(monkeypatch)
    # Of 0.9 and 0.1, unlike halves, the weighted mean of a number and itself is rounded.
    optimization = dataclasses.replace(
        RECIPE.optimization, average_momentum=0.9, warmup_epochs=0, weight_decay=0.5
    )
    recipe = dataclasses.replace(RECIPE, optimization=optimization, freeze=("stem", "norm"))
    model = compiled_model(build_model(recipe.model, 2), recipe, steps=3, jit_compile=False)
    frozen = [weight for name in recipe.freeze for weight in model.get_layer(name).weights]
    rng = np.random.default_rng(0)
    for weight in frozen:
        weight.assign(np.abs(rng.standard_normal(weight.shape)) + 0.1)
    model.reset_averages()
    before = [np.array(weight) for weight in model.averaged_weights]
    images, labels = rng.uniform(0, 255, (24, 32, 32, 3)), np.eye(2)[rng.integers(0, 2, 24)]
    model.fit(images.astype("float32"), labels, batch_size=8, epochs=2, verbose=0)

    still = {id(weight) for weight in frozen}
    for weight, average, value in zip(model.averaged_weights, model.averages, before, strict=True):
        for now in map(keras.ops.convert_to_numpy, (weight, average)):
            assert np.array_equal(now, value) == (id(weight) in still)
    # Two moments of the kernel and bias of the classifier, the step and the learning rate.
    moments = [each for each in model.optimizer.variables if each.path.count("predictions")]
    assert len(moments) == 4
    assert not [each for each in model.optimizer.variables if "stem" in each.path]
