import keras
import numpy as np
import pytest

from training.optimization.averaged_model import AveragedModel
from training.optimization.optimizer import LayerwiseAdamW

MOMENTUM = 0.75


def values(variables):
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def small_model():
    """A model with both kinds of averaged variables: trainable weights and statistics."""
    images = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(images))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(5, "softmax")(x))


def compiled(accumulation_steps=1, warm_up=False):
    model = AveragedModel(small_model(), MOMENTUM, accumulation_steps, warm_up)
    model.compile(
        LayerwiseAdamW(
            1e-2,
            gradient_accumulation_steps=accumulation_steps if accumulation_steps > 1 else None,
        ),
        "categorical_crossentropy",
        jit_compile=keras.backend.backend() == "jax",
    )
    return model


class Record(keras.callbacks.Callback):
    """Records weights and averages after every batch."""

    def __init__(self):
        super().__init__()
        self.weights, self.averages = [], []

    def on_train_begin(self, logs=None):
        self.on_train_batch_end(None)

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        self.weights.append(values(self.model.averaged_weights))
        self.averages.append(values(self.model.averages))


def recorded(model, batches):
    record = Record()
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (4 * batches, 8, 8, 3)).astype("float32")
    labels = np.eye(5, dtype="float32")[rng.integers(0, 5, 4 * batches)]
    model.fit(images, labels, batch_size=4, callbacks=[record], verbose=0)
    return record


@pytest.mark.every_backend
def test_averages_follow_weights_and_batch_norm_statistics():
    model = compiled()
    names = [weight.path.rsplit("/")[-1] for weight in model.averaged_weights]
    record = recorded(model, batches=3)

    assert "moving_variance" in names
    np.testing.assert_array_equal(record.averages[0][0], record.weights[0][0])
    expected = record.weights[0]
    for step in (1, 2, 3):
        expected = [
            MOMENTUM * average + (1 - MOMENTUM) * weight
            for average, weight in zip(expected, record.weights[step], strict=True)
        ]
        for name, actual, value in zip(names, record.averages[step], expected, strict=True):
            np.testing.assert_allclose(actual, value, rtol=1e-4, atol=1e-6, err_msg=name)
    moved = [not np.array_equal(a, b) for a, b in zip(expected, record.weights[3], strict=True)]
    assert moved[names.index("moving_variance")]
    assert moved[names.index("kernel")]


@pytest.mark.every_backend
def test_averages_move_only_when_accumulated_gradients_change_the_weights():
    record = recorded(compiled(accumulation_steps=2), batches=4)
    first, second, third, fourth = (step[0] for step in record.averages[1:])

    np.testing.assert_array_equal(first, record.averages[0][0])
    assert not np.array_equal(second, first)
    np.testing.assert_array_equal(third, second)
    assert not np.array_equal(fourth, third)


@pytest.mark.every_backend
def test_momentum_warms_up_with_the_changes_of_the_weights():
    record = recorded(compiled(accumulation_steps=2, warm_up=True), batches=4)
    weights, averages = ([step[0] for step in steps] for steps in (record.weights, record.averages))

    for batch, momentum in ((2, 2 / 11), (4, 3 / 12)):
        expected = momentum * averages[batch - 1] + (1 - momentum) * weights[batch]
        np.testing.assert_allclose(averages[batch], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.every_backend
def test_averages_replace_the_weights_until_the_block_ends():
    model = compiled()
    recorded(model, batches=2)
    weights, averages = values(model.averaged_weights), values(model.averages)

    with model.averages_as_weights():
        inside = values(model.averaged_weights)
    for actual, expected in zip(inside, averages, strict=True):
        np.testing.assert_array_equal(actual, expected)
    for actual, expected in zip(values(model.averaged_weights), weights, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_without_momentum_there_are_no_averages():
    model = AveragedModel(small_model(), momentum=None)

    assert model.averages == []
    with model.averages_as_weights():
        pass
