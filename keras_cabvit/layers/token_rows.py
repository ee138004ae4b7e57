"""Tokens as the rows of one matrix, where a backend multiplies these faster."""

import keras
from keras import ops


def as_rows(x):
    """Returns tokens as the form that a chain of dense layers is fastest on.

    TensorFlow joins a product with its bias, and with the GELU that follows, for matrices alone.
    XLA, which JAX runs on, loses by it: on a TPU a flattened map costs a quarter more memory
    traffic.

    Args:
        x: tensor (..., channels).

    Returns:
        A tensor (rows, channels) on TensorFlow, and `x` on the other backends.
    """
    if keras.backend.backend() != "tensorflow":
        return x
    return ops.reshape(x, (-1, x.shape[-1]))


def from_rows(x, tokens):
    """Undoes `as_rows`.

    Args:
        x: tensor, what came of `as_rows(tokens)`; its channels may be others.
        tokens: tensor (..., channels).

    Returns:
        A tensor of the shape of `tokens`, with the channels of `x`.
    """
    if keras.backend.backend() != "tensorflow":
        return x
    places = tokens.shape[1:-1]
    if None in places:
        places = ops.shape(tokens)[1:-1]
    return ops.reshape(x, (-1, *places, x.shape[-1]))
