"""Initial weights drawn by numpy, for tests that do not depend on their values."""

import types

import keras
import numpy as np
from keras.src.initializers import constant_initializers, random_initializers


def replace_initializers(patch, zeros=False):
    """Makes Keras' initialisers draw or fill their values with numpy.

    JAX compiles a program for each shape, which takes longer than most tests; TensorFlow runs
    several operations per weight, which take a fifth of the time to build a model.

    Args:
        patch: `pytest.MonkeyPatch`.
        zeros: whether all values are 0, for models whose weights are all assigned.
    """

    def normal_values(shape, seed):
        if zeros:
            return np.zeros(shape, "float32")
        return _generator(seed).standard_normal(shape, "float32")

    def tensor(values, dtype):
        return keras.ops.convert_to_tensor(values.astype("float32"), dtype or keras.config.floatx())

    def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        return tensor(mean + stddev * normal_values(shape, seed), dtype)

    def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        return tensor(mean + stddev * np.clip(normal_values(shape, seed), -2, 2), dtype)

    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        return tensor(_generator(seed).uniform(minval, maxval, shape), dtype)

    def filled_with(value):
        return lambda shape, dtype=None: tensor(np.full(shape, value, "float32"), dtype)

    for module, name, changed in (
        (
            random_initializers,
            "random",
            {"normal": normal, "truncated_normal": truncated_normal, "uniform": uniform},
        ),
        (constant_initializers, "ops", {"zeros": filled_with(0), "ones": filled_with(1)}),
    ):
        original = vars(getattr(module, name))
        patch.setattr(module, name, types.SimpleNamespace(**original | changed))


def _generator(seed):
    return np.random.default_rng(seed if isinstance(seed, int) else 0)
