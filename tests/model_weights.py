"""The weights of a model as arrays, and their comparison."""

import numpy as np


def weights_of(model):
    """Returns copies: on PyTorch `get_weights` gives views."""
    return [np.array(weight) for weight in model.get_weights()]


def assert_equal(weights, expected):
    for weight, value in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(weight, value)
