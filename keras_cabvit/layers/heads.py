"""Attention heads: functions shared by the trainable attention and its inference forms."""

import keras
from keras import ops

from keras_cabvit.layers.token_grid import token_grid


def head_dim(channels, num_heads, layer_name):
    """Returns the number of channels per head.

    Raises:
        ValueError: the channels are not divisible by the heads.
    """
    if channels % num_heads:
        raise ValueError(
            f"Layer '{layer_name}': `num_heads` must divide the channels. "
            f"Received: {channels} channels, num_heads={num_heads}"
        )
    return channels // num_heads


def check_digests(digests, blocks, layer_name):
    """Raises a ValueError if digest tokens come to a layer built without, or vice versa."""
    if (digests is not None) != bool(blocks):
        raise ValueError(
            f"Layer '{layer_name}' was built for digest tokens of {blocks} blocks, so `digests` "
            f"must {'' if blocks else 'not '}be given."
        )


def attention_output_spec(layer, inputs, digests, return_attention_maps):
    """Returns the input's shape, and that of the attention maps if they are requested.

    Args:
        layer: the attention layer, of which `grid`, `num_heads` and `compute_dtype` are read.
        inputs: `keras.KerasTensor`, the block's own tokens.
        digests: `keras.KerasTensor` (batch, digest tokens, channels), or None.
        return_attention_maps: whether the maps are requested.
    """
    output = keras.KerasTensor(inputs.shape, dtype=layer.compute_dtype)
    if not return_attention_maps:
        return output
    tokens = token_grid(inputs.shape, layer.grid, layer.name).tokens
    sources = tokens + (0 if digests is None else digests.shape[1])
    shape = (inputs.shape[0], layer.num_heads, tokens, sources)
    return output, keras.KerasTensor(shape, dtype=layer.compute_dtype)


def split_heads(x, num_heads):
    """(batch, tokens, channels) -> (batch, heads, tokens, head_dim)."""
    x = ops.reshape(x, (-1, x.shape[1], num_heads, x.shape[2] // num_heads))
    return ops.transpose(x, (0, 2, 1, 3))


def join_heads(x):
    """(batch, heads, tokens, head_dim) -> (batch, tokens, channels)."""
    x = ops.transpose(x, (0, 2, 1, 3))
    return ops.reshape(x, (-1, x.shape[1], x.shape[2] * x.shape[3]))
