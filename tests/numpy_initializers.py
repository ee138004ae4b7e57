"""Initial weights drawn by numpy, for tests that do not depend on their values."""

import types

import keras
import numpy as np
from keras.src.initializers import random_initializers


def replace_initializers(patch):
    """Makes Keras' initialisers draw their values with numpy.

    JAX compiles a program for each shape that it draws, which takes longer than most tests;
    TensorFlow draws the large variants' values in seconds.

    Args:
        patch: `pytest.MonkeyPatch`.
    """

    def drawn(values, dtype):
        return keras.ops.convert_to_tensor(values.astype("float32"), dtype or keras.config.floatx())

    def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        values = _generator(seed).standard_normal(shape, "float32")
        return drawn(mean + stddev * values, dtype)

    def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        values = np.clip(_generator(seed).standard_normal(shape, "float32"), -2, 2)
        return drawn(mean + stddev * values, dtype)

    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        return drawn(_generator(seed).uniform(minval, maxval, shape), dtype)

    changed = {"normal": normal, "truncated_normal": truncated_normal, "uniform": uniform}
    drawing = types.SimpleNamespace(**vars(random_initializers.random) | changed)
    patch.setattr(random_initializers, "random", drawing)


def _generator(seed):
    return np.random.default_rng(seed if isinstance(seed, int) else 0)
