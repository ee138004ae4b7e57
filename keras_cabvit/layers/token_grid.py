"""The grid of a stage's tokens, shared by attention, merging and enhancement.

A stage works either on a feature map (batch, height, width, channels) or on tokens
(batch, prefix + height * width, channels), where the prefix is DeiT's class token. The grid cannot
be read from the shape of tokens and must be given.
"""

import math
from typing import NamedTuple

import keras
from keras import ops

from keras_cabvit.layers.numpy_arguments import is_positive_integer

# The window and stride of the token merging convolution (paper: one digest token per 4x4 tokens).
MERGE_KERNEL = 7
MERGE_STRIDE = 4


class TokenGrid(NamedTuple):
    """A stage's grid: its height and width in tokens, and the number of tokens before it."""

    height: int
    width: int
    prefix: int

    @property
    def tokens(self):
        """The number of tokens, including the prefix."""
        return self.prefix + self.height * self.width

    @property
    def digest_grid(self):
        """Height and width of the grid of one block's digest tokens."""
        return math.ceil(self.height / MERGE_STRIDE), math.ceil(self.width / MERGE_STRIDE)

    def as_map(self, tokens):
        """(batch, prefix + height * width, channels) -> (batch, height, width, channels)."""
        if len(tokens.shape) == 4:
            return tokens
        places = tokens[:, self.prefix :]
        return ops.reshape(places, (-1, self.height, self.width, tokens.shape[-1]))

    def as_tokens(self, feature_map, tokens):
        """Undoes `as_map(tokens)`, with the prefix of `tokens`."""
        if len(tokens.shape) == 4:
            return feature_map
        places = ops.reshape(feature_map, (-1, self.height * self.width, tokens.shape[-1]))
        return ops.concatenate([tokens[:, : self.prefix], places], axis=1)

    def as_digests(self, feature_map):
        """(batch, rows, columns, channels) of merged tokens -> (batch, digest tokens, channels)."""
        rows, columns = self.digest_grid
        return ops.reshape(feature_map, (-1, rows * columns, feature_map.shape[-1]))


def validated_grid(grid):
    """Returns `grid` as a tuple of two integers, or None.

    Raises:
        ValueError: it is neither None nor two positive integers.
    """
    if grid is None:
        return None
    pair = isinstance(grid, (list, tuple)) and len(grid) == 2
    if not pair or not all(map(is_positive_integer, grid)):
        raise ValueError(
            f"`grid` must be (height, width), both positive integers. Received: grid={grid}"
        )
    return tuple(grid)


def token_grid(input_shape, grid, layer_name):
    """Returns the `TokenGrid` of an input of this shape.

    Raises:
        ValueError: the height or width of a feature map is None, or tokens come without a grid, or
            there are fewer of them than the grid has positions.
    """
    if len(input_shape) == 4 and grid is None:
        _, height, width, _ = input_shape
        if height is None or width is None:
            raise ValueError(
                f"Layer '{layer_name}' needs a feature map of known height and width, because its "
                f"weights have one value per position. Received: input shape {tuple(input_shape)}"
            )
        return TokenGrid(height, width, 0)
    if len(input_shape) == 3 and grid is not None and input_shape[1] is not None:
        prefix = input_shape[1] - grid[0] * grid[1]
        if prefix >= 0:
            return TokenGrid(*grid, prefix)
    raise ValueError(
        f"Layer '{layer_name}' takes a feature map (batch, height, width, channels) when `grid` is "
        "None, or tokens (batch, prefix + height * width, channels) when `grid` is "
        f"(height, width). Received: input shape {tuple(input_shape)}, grid={grid}"
    )


def built_for(input_shape):
    """Returns the `InputSpec` of a layer built for a shape, with batches of any size.

    Tokens of another grid are refused, as they could not be told from those of more images.
    """
    return keras.layers.InputSpec(shape=(None, *input_shape[1:]))


def merge_output_shape(layer, input_shape):
    """Returns the input's shape, and that of the digest tokens if the layer merges.

    Args:
        layer: the layer, of which `merge` and `grid` are read.
        input_shape: (batch, height, width, channels), or that of tokens if the layer has a grid.
    """
    if not layer.merge:
        return input_shape
    rows, columns = token_grid(input_shape, layer.grid, layer.name).digest_grid
    return input_shape, (input_shape[0], rows * columns, input_shape[-1])


def digest_blocks(digests_shape, layout, layer_name):
    """Returns the number of blocks that these digest tokens come from; 0 if there are none.

    Args:
        digests_shape: (batch, digest tokens, channels), or None.
        layout: `TokenGrid` of the stage.
        layer_name: name of the layer, for the error message.

    Raises:
        ValueError: they are not those of a whole number of blocks.
    """
    if digests_shape is None:
        return 0
    rows, columns = layout.digest_grid
    blocks, remainder = divmod(digests_shape[1], rows * columns)
    if remainder or not blocks:
        raise ValueError(
            f"Layer '{layer_name}': a block on a {layout.height}x{layout.width} grid outputs "
            f"{rows * columns} digest tokens, and `digests` must hold those of one or more blocks. "
            f"Received: digests of shape {tuple(digests_shape)}"
        )
    return blocks
