"""The relative position bias, from a table of offsets to one value per pair of tokens."""

import numpy as np
from keras import ops


def expanded_position_bias(table):
    """Looks up the bias of every pair of tokens: (heads, |dy|, |dx|) -> (heads, tokens, tokens).

    Args:
        table: tensor (heads, height, width).
    """
    heads, height, width = table.shape
    table = ops.take(table, offsets(height), axis=1)  # (heads, H*H, W)
    return pairs_of_tokens(ops.take(table, offsets(width), axis=2), heads, height, width)


def offsets(side):
    """Returns |i - j| for all pairs of positions along a side, flattened, i first."""
    positions = np.arange(side, dtype="int32")
    return np.abs(positions[:, None] - positions[None, :]).reshape(-1)


def pairs_of_tokens(table, heads, height, width):
    """(heads, pairs of rows, pairs of columns) -> (heads, tokens, tokens)."""
    table = ops.reshape(table, (heads, height, height, width, width))
    table = ops.transpose(table, (0, 1, 3, 2, 4))  # (heads, y, x, y', x')
    return ops.reshape(table, (heads, height * width, height * width))
