"""NumPy numbers as arguments: the one place where they become Python's.

Keras' layers refuse NumPy integers, and JSON refuses all NumPy numbers.
"""

import functools
import inspect

import numpy as np


def accepts_numpy(function):
    """Makes a function take NumPy numbers, alone or in a tuple or list, as Python's own.

    Args:
        function: function or method; it gets an `int`, `float` or `bool` for each of them.
    """

    @functools.wraps(function)
    def accepting(*args, **kwargs):
        kwargs = {name: as_python(value) for name, value in kwargs.items()}
        return function(*map(as_python, args), **kwargs)

    accepting.__signature__ = inspect.signature(function)  # for readers that follow no wrapper
    return accepting


def as_python(value):
    """Returns NumPy numbers as Python's, and everything else unchanged.

    Args:
        value: anything; only tuples and lists are looked into.
    """
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (tuple, list) and any(isinstance(each, np.generic) for each in value):
        return type(value)(map(as_python, value))
    return value


def is_positive_integer(value):
    """Returns whether `value` is an `int` of at least 1. A `bool` is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
