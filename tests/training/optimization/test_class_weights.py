import dataclasses

import keras
import numpy as np
import pytest
from tiny_runs import RECIPE

from training.optimization.class_weights import (
    ClassWeightedCrossentropy,
    balanced_class_weights,
)
from training.optimization.compiled_model import compiled_model

COUNTS = (60, 30, 10)
WEIGHTS = balanced_class_weights(COUNTS)


def test_hand_computed_weights():
    np.testing.assert_allclose(WEIGHTS, [100 / 180, 100 / 90, 100 / 30], rtol=1e-6)
    # Every class weighs the same, and the mean over all images is 1.
    np.testing.assert_allclose(WEIGHTS * COUNTS, 100 / 3, rtol=1e-6)


def test_class_without_images_has_no_weight():
    np.testing.assert_allclose(balanced_class_weights([30, 0, 10]), [2 / 3, 0, 2], rtol=1e-6)


def test_weights_without_images_give_a_clear_error():
    with pytest.raises(ValueError, match="need at least one training image"):
        balanced_class_weights([0, 0])


def test_hand_computed_loss_of_plain_and_mixed_targets():
    targets = np.array([[0, 0, 1], [0.75, 0.25, 0]], "float32")
    probabilities = np.array([[0.2, 0.3, 0.5], [0.5, 0.25, 0.25]], "float32")
    losses = ClassWeightedCrossentropy(WEIGHTS)
    losses.reduction = None

    plain = 100 / 30 * np.log(2)
    mixed = (0.75 * 100 / 180 + 0.25 * 100 / 90) * (0.75 * np.log(2) + 0.25 * np.log(4))
    np.testing.assert_allclose(losses(targets, probabilities), [plain, mixed], rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_probabilities_of_chance_have_the_loss_of_chance(smoothing):
    # So the guard against divergence needs no other limit.
    targets = np.eye(3, dtype="float32")[np.repeat(range(3), COUNTS)]
    targets = targets * (1 - smoothing) + np.float32(smoothing / 3)
    losses = ClassWeightedCrossentropy(WEIGHTS, smoothing)
    loss = losses(targets, np.full_like(targets, 1 / 3))

    assert float(loss) == pytest.approx(np.log(3), rel=1e-5)


def test_label_smoothing_changes_the_target_and_not_its_weight():
    smoothed = np.array([[0.1, 0.1, 0.8], [0.625, 0.275, 0.1]], "float32")  # [0.75, 0.25, 0]
    validation = np.array([[0, 0, 1], [0, 0, 0]], "float32")  # the last one pads
    probabilities = np.array([[0.2, 0.3, 0.5], [0.5, 0.25, 0.25]], "float32")
    losses = ClassWeightedCrossentropy(WEIGHTS, 0.3)
    losses.reduction = None

    for targets, weights in (
        (smoothed, [WEIGHTS[2], 0.75 * WEIGHTS[0] + 0.25 * WEIGHTS[1]]),
        (validation, [WEIGHTS[2], 0]),
    ):
        expected = -np.array(weights) * (targets * np.log(probabilities)).sum(axis=1)
        np.testing.assert_allclose(losses(targets, probabilities), expected, rtol=1e-5)


def one_layer(classes):
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(inputs))


def test_recipe_chooses_the_loss():
    inputs, targets = np.ones((3, 4), "float32"), np.eye(3, dtype="float32")
    losses = {}
    for balance in ("none", "weights"):
        recipe = dataclasses.replace(RECIPE, class_balance=balance)
        model = compiled_model(one_layer(3), recipe, 10, False, COUNTS)
        weights = [np.zeros(variable.shape) for variable in model.get_weights()]
        model.set_weights(weights)
        losses[balance] = model.evaluate(inputs, targets, verbose=0, return_dict=True)

    assert losses["none"]["loss"] == pytest.approx(np.log(3), rel=1e-5)
    assert losses["weights"]["loss"] == pytest.approx(WEIGHTS.mean() * np.log(3), rel=1e-5)
    # What is compared and reported is not weighted.
    assert losses["weights"]["cross_entropy"] == pytest.approx(np.log(3), rel=1e-5)


def test_weights_for_uncounted_data_give_a_clear_error():
    recipe = dataclasses.replace(RECIPE, class_balance="weights")
    with pytest.raises(ValueError, match="needs the training images of each class"):
        compiled_model(one_layer(2), recipe, 10, False, class_counts=None)
