"""Attention heads: functions shared by the trainable attention and its inference forms."""

from keras import ops


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


def split_heads(x, num_heads):
    """(batch, tokens, channels) -> (batch, heads, tokens, head_dim)."""
    x = ops.reshape(x, (-1, x.shape[1], num_heads, x.shape[2] // num_heads))
    return ops.transpose(x, (0, 2, 1, 3))


def join_heads(x):
    """(batch, heads, tokens, head_dim) -> (batch, tokens, channels)."""
    x = ops.transpose(x, (0, 2, 1, 3))
    return ops.reshape(x, (-1, x.shape[1], x.shape[2] * x.shape[3]))
