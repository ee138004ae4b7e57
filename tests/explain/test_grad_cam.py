"""Grad-CAM equals its definition on every backend."""

import keras
import numpy as np
import pytest
import tiny_models

from keras_cabvit.explain import grad_cam


@pytest.mark.every_backend
def test_grad_cam_equals_its_definition():
    image = keras.Input((4, 6, 8))
    stage = tiny_models.stage(1)
    means = keras.layers.GlobalAveragePooling2D()(stage(image))
    scores = keras.layers.Dense(5, "softmax", name="predictions")(means)
    model = tiny_models.filled(keras.Model(image, scores))
    pixels = np.random.default_rng(0).standard_normal((2, 4, 6, 8)).astype("float32")
    found = grad_cam(model, pixels, classes=[2, 4])

    tokens = tiny_models.outputs(stage, pixels)
    kernel = keras.ops.convert_to_numpy(model.get_layer("predictions").kernel)
    # After a mean and a dense layer, each place's gradient is the kernel over the places.
    expected = [tokens[image] @ kernel[:, number] / 24 for image, number in enumerate((2, 4))]
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-6)


def test_default_class_is_the_predicted_one(tiny_plain):
    pixels = tiny_models.images(tiny_plain)
    predicted = tiny_models.outputs(tiny_plain, pixels).argmax(axis=-1)
    found = grad_cam(tiny_plain, pixels)
    one_by_one = grad_cam(tiny_plain, pixels, predicted, batch_size=1)
    np.testing.assert_allclose(found, one_by_one, atol=1e-6)
    assert (found.max(axis=(1, 2)) > 0).all()
    assert found.shape == (2, 5, 5)


def ended(model, *layers):
    """Returns a model that ends in other layers after the logits."""
    x = model.get_layer("predictions").input
    for layer in layers:
        x = layer(x)
    return keras.Model(model.inputs, x)


def test_softmax_is_taken_off_in_whatever_form(tiny_plain):
    pixels = tiny_models.images(tiny_plain)
    expected = grad_cam(tiny_plain, pixels, 1)
    weights = tiny_plain.get_layer("predictions").get_weights()
    for activation, last in (
        (None, []),
        (None, [keras.layers.Softmax()]),
        (None, [keras.layers.Activation("softmax")]),
        ("softmax", [keras.layers.Activation("linear", dtype="float32")]),
    ):
        dense = keras.layers.Dense(5, activation=activation)
        model = ended(tiny_plain, dense, *last)
        dense.set_weights(weights)
        np.testing.assert_allclose(grad_cam(model, pixels, 1), expected, atol=1e-7)


def test_one_sigmoid_explains_both_classes(tiny_plain):
    pixels = tiny_models.images(tiny_plain)
    model = ended(tiny_plain, keras.layers.Dense(1, activation="sigmoid"))
    maps = [grad_cam(model, pixels, number) for number in (0, 1)]
    assert (np.minimum(*maps) == 0).all()  # what raises one class lowers the other
    assert all(each.max() > 0 for each in maps)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"classes": 5}, "must be a number from 0 to 4"),
        ({"classes": [0, 1, 2]}, "or 2 of them"),
        ({"classes": 0.5}, "must be a number from 0 to 4"),
        ({"block": "stage/block_9"}, "must be names of blocks"),
    ],
)
def test_wrong_arguments_give_a_clear_error(tiny_plain, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        grad_cam(tiny_plain, tiny_models.images(tiny_plain), **arguments)


class Calibrated(keras.Model):
    """Probabilities of a graph that ends in logits."""

    def call(self, x, training=None):
        return keras.ops.softmax(super().call(x, training=training))


def test_features_and_unknown_ends_give_a_clear_error(tiny_plain):
    pixels = tiny_models.images(tiny_plain)
    features = keras.Model(tiny_plain.inputs, tiny_plain.get_layer("predictions").input)
    with pytest.raises(ValueError, match="has no classifier"):
        grad_cam(features, pixels)
    calibrated = Calibrated(tiny_plain.inputs, keras.layers.Dense(5)(features.output))
    with pytest.raises(ValueError, match="whose `call` may do more"):
        grad_cam(calibrated, pixels)
    averaged = ended(tiny_plain, keras.layers.Dense(5, "softmax"), keras.layers.Identity())
    with pytest.raises(ValueError, match="cannot be taken off"):
        grad_cam(averaged, pixels)
