"""The definition of every operation, in `keras.ops`."""

import keras
from keras import ops

from keras_cabvit.ops.precision import at_least_single


def attention_maps(query, key, bias=None):
    """Returns the softmax weights of attention, (batch, heads, tokens, sources).

    Half precision is too coarse for the exponentials of a softmax and their sum; these are then
    computed in float32.

    Args:
        query: tensor (batch, heads, tokens, head_dim), already scaled.
        key: tensor (batch, heads, sources, head_dim).
        bias: tensor (heads, tokens or 1, sources), added to the logits; or None.
    """
    dtype = at_least_single(query.dtype)
    logits = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
    logits = ops.cast(logits, dtype)
    if bias is not None:
        logits = logits + ops.cast(bias, dtype)
    return ops.cast(ops.softmax(logits, axis=-1), query.dtype)


def attend(query, key, value, bias=None, dropout=None, training=None):
    """Softmax attention, with dropout on its maps."""
    maps = attention_maps(query, key, bias)
    if dropout is not None:
        maps = dropout(maps, training=training)
    return ops.matmul(maps, value)


def dense(layer, x, residual=None):
    """A dense layer, plus a residual."""
    x = layer(x)
    return x if residual is None else x + residual


def mlp(expand, project, x, residual=None, dropout=None, training=None):
    """Dense, exact GELU, Dense, with dropout after each Dense, plus a residual."""
    x = ops.gelu(expand(x), approximate=False)
    if dropout is not None:
        x = dropout(x, training=training)
    x = project(x)
    if dropout is not None:
        x = dropout(x, training=training)
    return x if residual is None else x + residual


def pointwise(convolution, x, activation):
    """A 1x1 convolution and its activation."""
    return activate(activation, convolution(x))


def activate(activation, x):
    """Returns an activation, computed in float32 when the tensor is bfloat16.

    A GELU is rounded several times in bfloat16 on JAX, and its erfc takes TensorFlow four times as
    long as in float32.

    Args:
        activation: function of a tensor.
        x: tensor.
    """
    if keras.backend.standardize_dtype(x.dtype) != "bfloat16":
        return activation(x)
    if activation is keras.activations.linear:
        return x
    return ops.cast(activation(ops.cast(x, "float32")), "bfloat16")
