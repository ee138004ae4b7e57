"""Checks of arguments of `evaluate` and `compare`, before a model is opened."""

from keras_cabvit.layers.numpy_arguments import as_python, is_positive_integer


def check_at_least_one(**numbers: int) -> None:
    """Raises a ValueError that names the first number that is not an integer of at least 1."""
    for name, number in numbers.items():
        if not is_positive_integer(as_python(number)):
            raise ValueError(
                f"`{name}` must be an integer of at least 1. Received: {name}={number!r}"
            )
