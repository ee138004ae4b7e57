"""Hybrid models with windows take images of any size, and have the weights of those without."""

import keras
import numpy as np
import pytest
import tiny_models

import keras_cabvit

ANY = (None, None, 3)


def hybrid(**arguments):
    """Builds a hybrid model with a pair of blocks, between which windows are shifted."""
    return tiny_models.hybrid(depths=(1, 1, 2, 1), **arguments)


def pixels(*size, batch=2):
    return np.random.default_rng(0).uniform(0, 255, (batch, *size, 3)).astype("float32")


@pytest.fixture(scope="module")
def any_size():
    """A model for images of any size, in windows of 4 and 2 tokens."""
    return tiny_models.filled(hybrid(input_shape=ANY, windowed=64))


@pytest.mark.parametrize(
    "size", [pytest.param((96, 160), marks=pytest.mark.every_backend), (64, 64)]
)
def test_a_model_of_any_size_gives_what_one_of_this_size_gives(any_size, size):
    windowed = 64 if size == (96, 160) else False  # one window is the whole map
    known = hybrid(input_shape=(*size, 3), windowed=windowed)
    known.set_weights(any_size.get_weights())
    expected = tiny_models.outputs(known, pixels(*size))
    np.testing.assert_allclose(tiny_models.outputs(any_size, pixels(*size)), expected, atol=1e-6)


def test_at_the_size_of_published_weights_one_window_is_the_whole_map():
    size = (224, 224, 3)
    whole = tiny_models.filled(hybrid(input_shape=size))
    windowed = hybrid(input_shape=size, windowed=True)
    windowed.set_weights(whole.get_weights())
    images = tiny_models.images(whole, batch=1)
    expected = tiny_models.outputs(whole, images)
    np.testing.assert_allclose(tiny_models.outputs(windowed, images), expected, atol=1e-6)


@pytest.mark.every_backend
def test_shapes_are_known_where_the_images_are():
    model = hybrid(input_shape=ANY, windowed=True, include_top=False)
    assert model.output_shape == (None, None, None, 64)
    assert model.compute_output_shape((2, 96, 160, 3)) == (2, 3, 5, 64)
    assert [model.get_layer(f"stage_{stage}").window for stage in (2, 3)] == [14, 7]


def test_graph_of_any_size(any_size, tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.model_variables = [variable.value for variable in any_size.variables]
    module.scores = tf.function(any_size, [tf.TensorSpec((None, *ANY))], autograph=False)
    tf.saved_model.save(module, tmp_path)
    loaded = tf.saved_model.load(tmp_path)
    for size in [(96, 160), (32, 64)]:
        images = pixels(*size)
        expected = tiny_models.outputs(any_size, images)
        np.testing.assert_allclose(loaded.scores(images), expected, atol=1e-6)


def test_weights_load_with_and_without_windows(any_size, tmp_path):
    keras_cabvit.weights.save_weights(any_size, tmp_path / "windowed.weights.h5")
    whole = hybrid(weights=tmp_path / "windowed.weights.h5")
    keras_cabvit.weights.save_weights(whole, tmp_path / "whole.weights.h5")
    files = [tmp_path / "windowed.weights.h5", tmp_path / "whole.weights.h5"]
    shapes, others = map(keras_cabvit.weights.stored_sizes.stored_shapes, files)
    assert shapes == others

    # With True the windows are the grids in the file.
    again = hybrid(input_shape=ANY, windowed=True, weights=files[1])
    assert [again.get_layer(f"stage_{stage}").window for stage in (2, 3)] == [4, 2]
    for weight, other in zip(again.get_weights(), any_size.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_windows_of_weights_with_a_name_are_their_grids():
    arguments = {"weights": "tiny_imagenet", "include_top": False}
    windowed = keras_cabvit.CabViTH_T(**arguments, windowed=True, input_shape=ANY)
    whole = keras_cabvit.CabViTH_T(**arguments)
    for weight, other in zip(windowed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_a_model_of_any_size_is_saved_and_loaded(any_size, tmp_path):
    any_size.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.input_shape == (None, *ANY)
    expected = tiny_models.outputs(any_size, pixels(96, 64))
    np.testing.assert_array_equal(tiny_models.outputs(loaded, pixels(96, 64)), expected)


@pytest.mark.slow
def test_windows_in_a_tflite_file(any_size, tmp_path):
    model = hybrid(input_shape=(96, 160, 3), windowed=64)
    model.set_weights(any_size.get_weights())
    images = pixels(96, 160).astype("uint8")
    keras_cabvit.export.to_tflite(model, tmp_path / "model.tflite", quantization="none")
    found = keras_cabvit.runtimes.open_model(tmp_path / "model.tflite").predict(images)
    np.testing.assert_allclose(found, tiny_models.outputs(model, images), atol=1e-4)
