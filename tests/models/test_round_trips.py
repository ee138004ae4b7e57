"""A model that is saved, cloned or made again from its config gives identical outputs."""

import keras
import numpy as np
import pytest
import tiny_models
from tiny_models import filled, images, outputs

import keras_cabvit
from keras_cabvit.models import build_variant


def assert_same(model, *others):
    expected = outputs(model, images(model))
    for other in others:
        np.testing.assert_array_equal(outputs(other, images(model)), expected)
        assert other.to_json() == model.to_json()


def saved_and_loaded(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def cloned(model, folder):
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


def from_config(model, folder):
    other = type(model).from_config(model.get_config())
    other.set_weights(model.get_weights())
    return other


ROUND_TRIPS = [saved_and_loaded, cloned, from_config]


@pytest.mark.parametrize("variant", keras_cabvit.list_models())
def test_variants(variant, tmp_path):
    model = filled(build_variant(variant, input_shape=(64, 96, 3), classes=10))
    assert_same(model, *(round_trip(model, tmp_path) for round_trip in ROUND_TRIPS))


@pytest.mark.every_backend
@pytest.mark.parametrize("builder", [tiny_models.hybrid, tiny_models.plain])
def test_models_that_differ_from_the_defaults_everywhere(builder, tmp_path):
    model = filled(
        builder(
            max_digests=1,
            mlp_ratio=2.5,
            layer_scale_init=0.5,
            drop_rate=0.1,
            attention_drop_rate=0.2,
            drop_path_rate=0.3,
            classifier_activation=None,
            include_preprocessing=False,
            name="other",
        )
    )
    assert_same(model, *(round_trip(model, tmp_path) for round_trip in ROUND_TRIPS))


@pytest.mark.every_backend
def test_weights_file(tiny_model, tmp_path):
    path = keras_cabvit.weights.save_weights(tiny_model, tmp_path / "model.weights.h5")
    other = cloned(tiny_model, tmp_path)
    filled(other, seed=1)
    keras_cabvit.weights.load_weights(other, path)
    assert_same(tiny_model, other)
