"""Weights with one value per position or offset of a token grid, resampled to another grid.

Everything is placed by its share of the image, so that what a model learned about the upper left
quarter, or about tokens half an image apart, still applies to that. The centre of token `i` of `n`
is at `(i + 0.5) / n`. A digest token is merged from the window around every fourth token, whose
centre it has. An offset of `d` tokens is the share `d / n`: offset 0 stays offset 0. Values are
interpolated linearly between centres or offsets, and constant beyond the first and the last.
"""

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
    stride, first = _SPACING[name]
    for axis, old, new in zip(GRID_AXES[name], old_grid, new_grid, strict=True):
        if old == new:
            continue
        places = (np.arange(shape[axis]) * stride + first) * old / new
        indices = (places - first) / stride
        value = np.apply_along_axis(_interpolated, axis, value, indices).astype(value.dtype)
    return value


def _interpolated(line: np.ndarray, indices: np.ndarray) -> np.ndarray:
    return np.interp(indices, np.arange(len(line)), line)
