"""Operations on the rows of one matrix, which TensorFlow multiplies faster than feature maps.

TensorFlow fuses a product with its bias, the GELU that follows, and the residual that is added, but
for matrices only, and only within one expression. XLA, which JAX runs on, loses by it: on a TPU a
flattened map costs a quarter more memory traffic.
"""

import math

import tensorflow as tf
from keras import ops

from keras_cabvit.ops import plain

# Per image. At 224x224 the first stage has four times as many, and its hidden activations are the
# largest tensors of the model.
_PLACES_AT_A_TIME = 784


def dense(layer, x, residual=None):
    """A dense layer, plus a residual."""
    rows = layer(_as_rows(x))
    if residual is None:
        return _from_rows(rows, x)
    return _from_rows(_add(rows, _as_rows(residual)), residual)


def mlp(expand, project, x, residual=None, dropout=None, training=None):
    """Dense, exact GELU, Dense, plus a residual.

    The rows of a large map are computed in parts, one after another, so that only one part's hidden
    activations are in memory at a time.
    """

    def branch(rows):
        return plain.mlp(expand, project, rows, dropout=dropout, training=training)

    if residual is None:
        return _from_rows(branch(_as_rows(x)), x)
    parts = _parts(residual)
    if parts == 1:
        return _from_rows(_add(branch(_as_rows(x)), _as_rows(residual)), residual)
    sums = []
    both = (tf.split(_as_rows(each), parts) for each in (x, residual))
    for rows, others in zip(*both, strict=True):
        with tf.control_dependencies(sums[-1:]):  # one after another, not all at once
            rows = tf.identity(rows)
        # TensorFlow would not fuse a sum that the next part itself waits for; this costs nothing.
        sums.append(tf.expand_dims(_add(branch(rows), others), 0))
    return _from_rows(tf.reshape(tf.concat(sums, axis=1), (-1, residual.shape[-1])), residual)


def pointwise(convolution, x, activation):
    """A 1x1 convolution as a matrix product over rows, and its activation."""
    rows = _as_rows(x)
    kernel, bias = (
        ops.cast(weight, rows.dtype) for weight in (convolution.kernel, convolution.bias)
    )
    product = ops.matmul(rows, ops.reshape(kernel, kernel.shape[2:]))
    # Keras turns `ops.add`, but not `+`, into the BiasAdd that TensorFlow fuses with a GELU.
    return _from_rows(activation(ops.add(product, bias)), x)


def _as_rows(x):
    """(..., channels) -> (rows, channels)."""
    return ops.reshape(x, (-1, x.shape[-1]))


def _from_rows(rows, x):
    """Undoes `_as_rows(x)` for rows with the same or other channels."""
    places = x.shape[1:-1]
    if None in places:
        places = ops.shape(x)[1:-1]
    return ops.reshape(rows, (-1, *places, rows.shape[-1]))


def _add(rows, residual):
    if None in (rows.shape[0], residual.shape[0]):
        # With an unknown number of rows, TensorFlow fuses only a sum that cannot broadcast.
        return tf.add_n([rows, residual])
    return rows + residual


def _parts(x):
    """Returns the number of equal parts that the rows of a map are cut into."""
    places = x.shape[1:-1]
    if None in places:
        return 1
    count = math.prod(places)
    fewest = math.ceil(count / _PLACES_AT_A_TIME)
    # At most twice as many: a map with a prime number of positions is not cut at all.
    return next((n for n in range(fewest, 2 * fewest) if count % n == 0), 1)
