"""Weights with one value per position or offset of a token grid, resampled to another grid.

Everything is placed by its share of the image, so that what a model learned about the upper left
quarter, or about tokens half an image apart, still applies to that. The centre of token `i` of `n`
is at `(i + 0.5) / n`. A digest token is merged from the window around every fourth token, whose
centre it has. An offset of `d` tokens is the share `d / n`: offset 0 stays offset 0. Values are
interpolated linearly between centres or offsets, and constant beyond the first and the last.
"""

from collections.abc import Sequence

import numpy as np

from keras_cabvit.layers.stored_grid import GRID_AXES
from keras_cabvit.layers.token_grid import MERGE_STRIDE

Grid = tuple[int, int]

# Tokens from one entry to the next, and from the edge of the image to the first one.
_SPACING = {
    "position_bias": (1, 0.0),  # offsets, not positions
    "patch_positions": (1, 0.5),
    "digest_scale": (MERGE_STRIDE, 0.5),
    "digest_bias": (MERGE_STRIDE, 0.5),
}


def resampled(
    value: np.ndarray, name: str, shape: tuple[int, ...], old_grid: Grid, new_grid: Grid
) -> np.ndarray:
    """Resamples a weight to another token grid.

    Args:
        value: the weight's value.
        name: the weight's name, such as `"digest_bias"`; a weight that belongs to no grid is
            returned as it is, and so is any weight if the grids are the same.
        shape: shape that the weight has on the new grid.
        old_grid: (height, width) in tokens of the grid that the value belongs to.
        new_grid: (height, width) in tokens of the new grid.

    Returns:
        An array of the value's dtype. Axes that belong to no grid keep their length.
    """
    if name not in GRID_AXES or value.ndim != len(shape):
        return value
    dtype = value.dtype
    for axis, matrix in resampling_matrices(name, value.shape, shape, old_grid, new_grid):
        value = np.moveaxis(np.tensordot(value, matrix, axes=(axis, 0)), -1, axis)
    return value.astype(dtype, copy=False)


def resampling_matrices(
    name: str, old_shape: Sequence[int], shape: Sequence[int], old_grid: Grid, new_grid: Grid
) -> list[tuple[int, np.ndarray]]:
    """Returns the linear maps that resample a weight, one for each axis whose side changes.

    Args:
        name: the weight's name, one of `GRID_AXES`.
        old_shape: its shape on the old grid.
        shape: its shape on the new grid.
        old_grid: (height, width) in tokens.
        new_grid: (height, width) in tokens.

    Returns:
        A list of (axis, float64 matrix (old length, new length)).
    """
    stride, first = _SPACING[name]
    matrices = []
    for axis, old, new in zip(GRID_AXES[name], old_grid, new_grid, strict=True):
        if old == new:
            continue
        places = (np.arange(shape[axis]) * stride + first) * old / new
        indices = (places - first) / stride
        length = old_shape[axis]
        rows = [np.interp(indices, np.arange(length), each) for each in np.eye(length)]
        matrices.append((axis, np.stack(rows)))
    return matrices
