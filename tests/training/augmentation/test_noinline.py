import numpy as np
import pytest
import tensorflow as tf

from training.augmentation.noinline import noinline


@pytest.fixture
def traced():
    """A function that appends to its list `calls` and adds a constant to a tensor."""

    def add(values, constant):
        add.calls.append(values.shape)
        return values + constant

    add.calls = []
    return add


def numbers(function, count, constant=1):
    graph = tf.function(lambda values: function(values, constant) + function(values, constant))
    return graph(tf.range(count)).numpy()


def test_graphs_share_what_is_traced_for_a_shape_and_a_constant(traced):
    function = noinline(traced)

    for _ in range(3):
        np.testing.assert_array_equal(numbers(function, 2), [2, 4])
    assert len(traced.calls) == 1
    np.testing.assert_array_equal(numbers(function, 3), [2, 4, 6])
    np.testing.assert_array_equal(numbers(function, 3, constant=2), [4, 6, 8])
    assert len(traced.calls) == 3


def test_nothing_is_traced_outside_graphs(traced):
    function = noinline(traced)

    for constant in (1, 2):
        assert function(np.array([1, 2]), constant).tolist() == [1 + constant, 2 + constant]
    assert len(traced.calls) == 2
