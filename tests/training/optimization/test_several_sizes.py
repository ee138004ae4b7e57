"""Training at several sizes: one set of weights, and a part of each batch at every size."""

import dataclasses

import keras
import numpy as np
import pytest
import tiny_models

from keras_cabvit.weights import resized_model
from training.optimization.compiled_model import compiled_model, precision
from training.recipes.model import build_model
from training.recipes.recipe import ModelOptions, Optimization, Recipe

RECIPE = Recipe(
    model=ModelOptions(
        "CabViTP",
        image_size=(40, 40),
        image_sizes=(24, 40, 32),
        embed_dims=(24,),
        depths=(2,),
        num_heads=(3,),
        patch_size=8,
    ),
    optimization=Optimization(learning_rate=1e-2),
    batch_size=6,
)


if keras.config.backend() == "jax":  # compiles four models of this depth in one test
    RECIPE = dataclasses.replace(RECIPE, model=dataclasses.replace(RECIPE.model, depths=(1,)))


def compiled(**changes):
    recipe = dataclasses.replace(RECIPE, **changes)
    model = tiny_models.filled(build_model(recipe.model, 5))
    return model, compiled_model(model, recipe, steps=3, jit_compile=False)


def images(batch=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (batch, 40, 40, 3)).astype("float32")


def smaller(pixels, side):
    resized = keras.ops.image.resize(pixels, (side, side), interpolation="bicubic", antialias=True)
    return np.clip(keras.ops.convert_to_numpy(resized), 0, 255)


@pytest.mark.every_backend
def test_each_part_of_a_batch_is_seen_at_its_size():
    model, trained = compiled()
    pixels = images()
    parts = {40: pixels[:2], 24: smaller(pixels[2:4], 24), 32: smaller(pixels[4:], 32)}
    expected = [
        tiny_models.outputs(resized_model(model, (side, side)), part, training=True)
        for side, part in parts.items()
    ]
    found = tiny_models.outputs(trained, pixels, training=True)
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-5)


def test_a_size_given_twice_gets_two_parts():
    options = dataclasses.replace(RECIPE.model, image_sizes=(24, 40, 24))
    model, trained = compiled(model=options)
    pixels = images()
    parts = {40: pixels[:2], 24: smaller(pixels[2:], 24)}
    expected = [
        tiny_models.outputs(resized_model(model, (side, side)), part, training=True)
        for side, part in parts.items()
    ]
    found = tiny_models.outputs(trained, pixels, training=True)
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-5)


@pytest.mark.torch_too
def test_a_step_trains_one_set_of_weights_but_for_frozen_parts():
    model, trained = compiled(freeze=("patch_embedding",))
    assert set(map(id, trained.weights)) == set(map(id, model.weights))
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in model.weights]
    # Only the parts of smaller sizes have labels that count.
    labels, counts = np.eye(5, dtype="float32")[[0, 1, 2, 3, 4, 0]], np.array([0, 0, 1, 1, 1, 1.0])
    trained.run_eagerly = True  # in fewer seconds than TensorFlow takes to trace it
    trained.fit(images(), labels, sample_weight=counts, batch_size=6, verbose=0)
    changed = {
        weight.path
        for weight, value in zip(model.weights, before, strict=True)
        if not np.array_equal(value, keras.ops.convert_to_numpy(weight))
    }
    assert not [path for path in changed if path.startswith("patch_embedding")]
    first = {weight.path for weight in model.get_layer("stage").blocks[0].weights}
    second = {f"stage/block_1/attention/{name}" for name in ("digest_bias", "digest_scale")}
    assert first | second <= changed


def test_frozen_weights_keep_their_values_in_half_precision():
    with precision("mixed_bfloat16"):
        model, trained = compiled(freeze=("patch_embedding",))
        kernel = model.get_layer("patch_embedding").projection.kernel
        kernel.assign(np.full(kernel.shape, 1 / 3, "float32"))
        trained(images(), training=True)

    np.testing.assert_array_equal(keras.ops.convert_to_numpy(kernel), np.float32(1 / 3))


@pytest.mark.parametrize(("freeze", "left"), [((), 729), (("stage",), 1000)])
def test_statistics_move_at_every_size_unless_frozen(freeze, left):
    model, trained = compiled(freeze=freeze)
    norm = model.get_layer("stage").blocks[0].merge_enhancement.enhancement.norm
    norm.moving_mean.assign(np.full(norm.moving_mean.shape, 1000.0))
    trained(images(), training=True)
    # Each of three updates keeps 0.9 of it.
    np.testing.assert_allclose(keras.ops.convert_to_numpy(norm.moving_mean), left, atol=2)


def test_evaluation_is_at_the_models_size():
    model, trained = compiled()
    expected = tiny_models.outputs(model, images(4))
    np.testing.assert_array_equal(tiny_models.outputs(trained, images(4)), expected)


@pytest.mark.parametrize(
    ("image_size", "image_sizes"),
    [
        ((40, 40), (40,)),
        ((40, 40), (40, 40)),
        ((40, 40), (20, 40)),
        ((40, 40), (24, 48)),
        ((40, 40), (0, 40)),
        ((40, 48), (24, 48)),
    ],
)
def test_wrong_sizes_give_a_clear_error(image_size, image_sizes):
    options = dataclasses.replace(RECIPE.model, image_size=image_size, image_sizes=image_sizes)
    with pytest.raises(ValueError, match=r"`image_sizes` must have two .* multiples of 8, of whi"):
        build_model(options, 5)


def test_a_batch_of_fewer_images_than_sizes_gives_a_clear_error():
    with pytest.raises(ValueError, match=r"at least the number of sizes in `image_sizes`.*size=2"):
        compiled(batch_size=2)
