"""Attention maps, and their shares, of every block on every backend."""

import re
import warnings

import keras
import numpy as np
import pytest
import tiny_models

import keras_cabvit
from keras_cabvit.explain import (
    attention_maps,
    attention_rollout,
    block_names,
    digest_shares,
    grad_cam,
    place_shares,
)
from keras_cabvit.explain.explanation import explain_image

NAMES = ["stage/block_0", "stage/block_1", "stage/block_2"]


@pytest.fixture(scope="module")
def pixels(tiny_plain):
    return tiny_models.images(tiny_plain)


@pytest.fixture(scope="module")
def maps(tiny_plain, pixels):
    return attention_maps(tiny_plain, pixels)


def assert_rows_sum_to_one(model):
    maps = attention_maps(model, tiny_models.images(model))
    assert list(maps) == block_names(model)
    for each in maps.values():
        assert np.abs(each.sum(axis=-1, dtype="float64") - 1).max() < 1e-6


@pytest.mark.every_backend
def test_rows_of_every_block_sum_to_one(tiny_plain):
    assert_rows_sum_to_one(tiny_plain)


@pytest.mark.slow
def test_rows_of_every_block_of_both_stages_sum_to_one(tiny_hybrid):
    assert_rows_sum_to_one(tiny_hybrid)


def test_shares_of_places_digests_and_class_token_sum_to_one(tiny_plain, pixels, maps):
    places, digests = (shares(tiny_plain, pixels) for shares in (place_shares, digest_shares))
    for name in NAMES:
        total = maps[name][..., 0].mean(axis=(1, 2)) + places[name].sum(axis=(1, 2))
        for shares in digests[name].values():
            total = total + shares.sum(axis=(1, 2))
        np.testing.assert_allclose(total, 1, atol=1e-6)


def test_maps_are_those_that_a_stage_returns(tiny_plain, pixels, maps):
    stage = tiny_plain.get_layer("stage")
    features = keras.Model(tiny_plain.inputs, stage.input)(pixels)
    found = stage(features, return_intermediates=True)["maps"]
    assert list(maps) == NAMES
    for given, wanted in zip(maps.values(), found, strict=True):
        np.testing.assert_allclose(given, keras.ops.convert_to_numpy(wanted), atol=1e-6)


def test_batches_and_chosen_blocks_give_the_same(tiny_plain, pixels, maps):
    found = attention_maps(tiny_plain, pixels, NAMES[2], batch_size=1)
    assert list(found) == NAMES[2:]
    np.testing.assert_allclose(found[NAMES[2]], maps[NAMES[2]], atol=1e-6)


def test_model_is_as_before(tiny_plain, pixels):
    before = tiny_models.outputs(tiny_plain, pixels)
    attention_maps(tiny_plain, pixels)
    explain_image(tiny_plain, pixels[0])
    stage = tiny_plain.get_layer("stage")
    layers = [*stage.blocks, stage, tiny_plain.get_layer("predictions")]
    assert not any({"call"} & vars(layer).keys() for layer in layers)
    assert stage.input.shape == (None, 26, 24)  # Keras refuses it after a second connection
    np.testing.assert_array_equal(tiny_models.outputs(tiny_plain, pixels), before)


def test_digest_shares_are_named_by_their_block_and_placed(tiny_plain, pixels, maps):
    shares = digest_shares(tiny_plain, pixels)
    assert [list(shares[name]) for name in NAMES] == [[], NAMES[:1], NAMES[:2]]
    # The second block's digest tokens, 2x2, follow 26 own tokens and the first block's four.
    expected = maps[NAMES[2]][..., 30:].mean(axis=(1, 2)).reshape(2, 2, 2)
    np.testing.assert_allclose(shares[NAMES[2]][NAMES[1]], expected, atol=1e-7)


def test_memory_that_is_full_names_the_latest_blocks(pixels):
    model = tiny_models.plain(depth=4, max_digests=2)
    shares = digest_shares(model, pixels)["stage/block_3"]
    assert list(shares) == ["stage/block_1", "stage/block_2"]


@pytest.mark.parametrize(("query", "row"), [("class_token", 0), ((1, 2), 1 + 5 + 2)])
def test_query_is_one_row(tiny_plain, pixels, maps, query, row):
    found = place_shares(tiny_plain, pixels, NAMES[1], query)[NAMES[1]]
    expected = maps[NAMES[1]][:, :, row, 1:26].mean(axis=1).reshape(2, 5, 5)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_nested_and_fused_models_give_the_same_maps(tiny_plain, pixels, maps):
    image = keras.Input(tiny_plain.input_shape[1:])
    nested = keras.Model(image, keras.layers.Identity()(tiny_plain(image)))
    for model in (nested, keras_cabvit.inference.fuse(tiny_plain)):
        found = attention_maps(model, pixels)
        for name in NAMES:
            np.testing.assert_allclose(found[name], maps[name], atol=1e-5)


def test_half_precision_gives_rows_that_sum_to_one(tiny_plain, pixels, maps):
    model = tiny_models.plain(dtype="mixed_bfloat16")
    model.set_weights(tiny_plain.get_weights())
    found = attention_maps(model, pixels, NAMES[2])[NAMES[2]]
    assert found.dtype == "float32"
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(found, maps[NAMES[2]], atol=0.02)


def windowed():
    tokens = keras.Input((16, 16, 24))
    blocks = tiny_models.stage(2).blocks
    return keras.Model(tokens, keras_cabvit.layers.CabViTStage(blocks, window=8)(tokens))


def called_twice(model):
    image = keras.Input(model.input_shape[1:])
    return keras.Model(image, model(image) + model(255 - image))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda model: (model, {"blocks": "stage/block_3"}), "must be names of blocks"),
        (lambda model: (model, {"blocks": []}), "Received: none"),
        (lambda model: (model, {"images": np.zeros((2, 41, 40, 3))}), "(count, 40, 40, 3)"),
        (lambda model: (model, {"images": np.zeros((0, 40, 40, 3))}), "at least one image"),
        (lambda model: (model, {"batch_size": 0}), "`batch_size` must be at least 1"),
        (lambda model: (tiny_models.pattern_classifier(), {}), "with a CabViTStage"),
        (lambda model: ("model.tflite", {}), "An exported file has scores alone"),
        (lambda model: (windowed(), {}), "windows of 8 tokens"),
        (lambda model: (called_twice(model), {}), "called more than once"),
    ],
)
def test_what_cannot_be_explained_gives_a_clear_error(tiny_plain, pixels, change, sentence):
    model, arguments = change(tiny_plain)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        attention_maps(**{"model": model, "images": pixels, **arguments})


@pytest.mark.parametrize(
    "explain",
    [attention_maps, digest_shares, place_shares, attention_rollout, grad_cam, explain_image],
)
def test_scaled_images_are_warned_of_once_unless_the_model_takes_such(tiny_plain, pixels, explain):
    if explain is explain_image:
        (pixels,) = pixels[:1]
    scaled = r"pixels in \[0, 255\]. Received: .* scaled to \[0, 1\]"
    with pytest.warns(UserWarning, match=scaled) as given:
        explain(tiny_plain, pixels / 255)
    (warning,) = [each for each in given if re.search(scaled, str(each.message))]
    if explain is not explain_image:  # which calls `grad_cam`
        assert warning.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        explain(tiny_plain, pixels)
        explain(tiny_models.plain(include_preprocessing=False), pixels / 255)


@pytest.mark.parametrize("query", ["class", (5, 0), (0, 1, 2), None])
def test_wrong_query_gives_a_clear_error(tiny_plain, pixels, query):
    with pytest.raises(ValueError, match=r'"class_token", or \(row, column\) below \(5, 5\)'):
        digest_shares(tiny_plain, pixels, query=query)
