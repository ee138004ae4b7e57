"""The state of a training run, taken from one model and given to another."""

import keras
import numpy as np

from training.run.state import read_state, write_state

INPUTS = np.random.default_rng(0).standard_normal((8, 3)).astype("float32")


def trained(seed, epochs):
    """Builds a model whose training also depends on the random state of dropout."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.optimizer.build(model.trainable_variables)
    return train(model, epochs)


def train(model, epochs):
    model.fit(INPUTS, INPUTS[:, :2], epochs=epochs, batch_size=4, shuffle=False, verbose=0)
    return model


def test_training_resumes_with_the_same_bits():
    one, other = trained(seed=0, epochs=3), trained(seed=1, epochs=1)
    write_state(other, read_state(one))
    expected, found = (read_state(train(model, epochs=2)) for model in (one, other))

    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
