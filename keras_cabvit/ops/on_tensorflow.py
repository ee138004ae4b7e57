"""Tokens as the rows of one matrix, where a backend multiplies these faster."""

import contextlib
import contextvars
import math

import keras
from keras import ops

# Of each image. At 224x224 the first stage has four times as many, and its hidden channels are the
# largest tensors of the model.
_PLACES_AT_A_TIME = 784

_MAPS_ARE_KEPT = contextvars.ContextVar("maps_are_kept", default=False)

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


@contextlib.contextmanager
def maps_kept():
    """Lets no tokens become rows in what the block traces.

    For TFLite, whose kernels take maps as they are, and where each change of shape is a copy.
    """
    token = _MAPS_ARE_KEPT.set(True)
    try:
        yield
    finally:
        _MAPS_ARE_KEPT.reset(token)


def multiplies_rows():
    """Returns whether tokens become rows: on TensorFlow, unless `maps_kept()`."""
    return keras.backend.backend() == "tensorflow" and not _MAPS_ARE_KEPT.get()


def as_rows(x):
    """Returns tokens as the form that a chain of dense layers is fastest on.

    TensorFlow joins a product with its bias, with the GELU that follows, and with the residual that
    is added, for matrices alone. XLA, which JAX runs on, loses by it: on a TPU a flattened map
    costs a quarter more memory traffic.

    Args:
        x: tensor (..., channels).

    Returns:
        A tensor (rows, channels) on TensorFlow, and `x` on the other backends.
    """
    if not multiplies_rows():
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
    if not multiplies_rows():
        return x
    places = tokens.shape[1:-1]
    if None in places:
        places = ops.shape(tokens)[1:-1]
    return ops.reshape(x, (-1, *places, x.shape[-1]))


def add_to_rows(x, tokens):
    """Returns `x + as_rows(tokens)`.

    Args:
        x: tensor of the shape of `as_rows(tokens)`, best the result of a dense layer.
        tokens: tensor (..., channels).

    Returns:
        A tensor of the shape of `x`.
    """
    rows = as_rows(tokens)
    if multiplies_rows() and None in (x.shape[0], rows.shape[0]):
        # Of an unknown number of rows, TensorFlow joins only a sum that cannot broadcast.
        return tf.add_n([x, rows])
    return x + rows


def add_branch_to_rows(branch, x, tokens):
    """Returns `branch(as_rows(x)) + as_rows(tokens)`.

    Of a large map TensorFlow computes some of the rows after the others, so that what the branch
    needs in between is in memory for these alone.

    Args:
        branch: function of rows (rows, channels), each of them by itself.
        x: tensor (..., channels), what the branch is of.
        tokens: tensor of the same shape.

    Returns:
        A tensor of the shape of `as_rows(tokens)`.
    """
    parts = _parts(tokens)
    if parts == 1:
        return add_to_rows(branch(as_rows(x)), tokens)
    sums = []
    both = (tf.split(as_rows(each), parts) for each in (x, tokens))
    for rows, others in zip(*both, strict=True):
        with tf.control_dependencies(sums[-1:]):  # one after another, and not all at once
            rows = tf.identity(rows)
        # TensorFlow would not join a sum that the next part itself waits for; this costs nothing.
        sums.append(tf.expand_dims(add_to_rows(branch(rows), others), 0))
    return tf.reshape(tf.concat(sums, axis=1), (-1, tokens.shape[-1]))


def _parts(tokens):
    """Returns into how many parts of the same length the rows of a map are cut."""
    places = tokens.shape[1:-1]
    if not multiplies_rows() or None in places:
        return 1
    count = math.prod(places)
    fewest = math.ceil(count / _PLACES_AT_A_TIME)
    # Twice as many at most: a prime number of places is not cut at all.
    return next((n for n in range(fewest, 2 * fewest) if count % n == 0), 1)
