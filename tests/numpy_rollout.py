"""Attention rollout through digest tokens by its definition, one token at a time."""

import numpy as np


def rollout_of_stage(maps, kernels, grid, prefix, rows=None):
    """Returns the rollout of one image through a stage.

    Args:
        maps: list of arrays (heads, tokens, tokens + digest tokens), one per block.
        kernels: list of pairs of depthwise kernels (side, side, channels) per block: that of the
            digest tokens, None if the block merges none, and that of the enhancement.
        grid: (height, width) of the tokens after the prefix.
        prefix: integer, the number of tokens before the grid.
        rows: array (tokens, tokens at first), or None for each token's own.
    """
    height, width = grid
    tokens = prefix + height * width
    rows = np.eye(tokens) if rows is None else rows
    digests = []
    for attention, (merge, enhance) in zip(maps, kernels, strict=True):
        sources = [*rows, *digests]
        weights = attention.mean(axis=0)
        attended = [
            sum(weight * source for weight, source in zip(line, sources, strict=True))
            for line in weights
        ]
        rows = 0.5 * rows + 0.5 * np.array(attended)
        on_grid = rows[prefix:].reshape(height, width, -1)
        if merge is not None:
            digests += [
                convolved(merge, on_grid, row, column)
                for row in range(0, height, 4)
                for column in range(0, width, 4)
            ]
        places = [convolved(enhance, on_grid, *place) for place in np.ndindex(height, width)]
        rows = np.array([*rows[:prefix], *places])
    return rows


def convolved(kernel, on_grid, row, column):
    """Returns the mean over channels of the places under a kernel, by their absolute weights."""
    half = kernel.shape[0] // 2
    height, width, _ = on_grid.shape
    inside = [
        (weight, on_grid[row + i - half, column + j - half])
        for (i, j), weight in ((place, kernel[place]) for place in np.ndindex(kernel.shape[:2]))
        if 0 <= row + i - half < height and 0 <= column + j - half < width
    ]
    total = sum(np.abs(weight) for weight, _ in inside)
    return sum(np.mean(np.abs(weight) / total) * place for weight, place in inside)
