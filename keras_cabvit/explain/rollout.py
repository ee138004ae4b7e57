"""Attention rollout, through digest tokens and depthwise convolutions.

Attention rollout (Abnar and Zuidema, Quantifying Attention Flow in Transformers, ACL 2020) follows
attention from the last block back to the first: with A the mean of a block's maps over heads, and
the residual counted as half, R = (1/2 I + 1/2 A) R of the block before. Row i of R then has the
shares in which token i is made of the tokens that entered the first block.

In a CabViT stage a block also attends to digest tokens, which are neither tokens of the block
before nor tokens that entered the stage. Each digest token has a row of its own, D, made when its
block merged it and kept as long as blocks attend to it. For each block, in order:

    R <- 1/2 R + 1/2 (A over its own tokens @ R + A over digest tokens @ D)
    D <- [D; M @ R]     if the block merges: digest tokens are made of R as it is here
    R <- E @ R          if the block enhances

M and E are the depthwise convolutions, 7x7 of stride 4 and 3x3 of stride 1, as rows of shares. A
convolution is no attention, but does the same: each output is a weighted sum over places, with
weights of its own in each channel, as attention has in each head. So a row of M or E is the mean
over channels of the absolute weights, divided for each channel by their sum over the places inside
the map; padding has no share. A per-channel scale, such as the BatchNorm's, cancels. A class token
bypasses both convolutions. Channel mixing moves nothing from token to token. Between two stages,
patch merging is a 3x3 convolution of stride 2 and passes in the same way.

All rows of A, over own and digest tokens together, of M and of E are shares that sum to 1, so those
of R and D are, too.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_cabvit.explain.attention import BATCH_SIZE, Query, query_rows
from keras_cabvit.explain.blocks import Block, blocks_of, layers_in_order, stages_of
from keras_cabvit.explain.recording import Maps, checked_images, recorded_maps
from keras_cabvit.inference import FusedConvolutions
from keras_cabvit.layers import CabViTStage, PatchMerging


def attention_rollout(
    model: keras.Model,
    images: npt.ArrayLike,
    residual: float = 0.5,
    batch_size: int = BATCH_SIZE,
) -> dict[str, np.ndarray]:
    """Returns the shares in which each token is made of the tokens that entered the first stage.

    Attention rollout (Abnar and Zuidema 2020), in which digest tokens are made of the tokens that
    they were merged from, and depthwise convolutions count as their absolute weights: the mean over
    channels, each divided by its sum. Rows sum to 1.

    Rollout knows the maps and the convolutions' weights, but not values, LayerScale and channel
    mixing: it says where information could come from, not what the prediction depends on.

    Args:
        model: Keras model, as for `attention_maps`.
        images: array (count, height, width, channels), as the model takes them.
        residual: float from 0 to 1, the share of the residual connection in each block. Defaults to
            0.5, as in the paper.
        batch_size: integer, images at a time. Defaults to 32.

    Returns:
        A dict from the stages' names to float32 arrays (count, tokens that left the stage, tokens
        that entered the first stage), both in row order after the class token, if there is one.

    Raises:
        ValueError: `residual` is out of range, a stage follows another otherwise than through patch
            merging, or see `attention_maps`.

    Example:
        >>> model = keras_cabvit.CabViTH(
        ...     embed_dims=(8, 16, 32, 64), depths=(1, 1, 2, 1), num_heads=(1, 2),
        ...     input_shape=(64, 64, 3), classes=10)
        >>> images = np.full((1, 64, 64, 3), 99.0, "float32")
        >>> rollout = keras_cabvit.explain.attention_rollout(model, images)
        >>> {name: rows.shape for name, rows in rollout.items()}
        {'stage_2': (1, 16, 16), 'stage_3': (1, 4, 16)}
    """
    path = rollout_path(model, residual)
    images = checked_images(model, images)
    found = [path.rows(maps) for maps in recorded_maps(model, images, blocks_of(model), batch_size)]
    return {
        name: np.concatenate([rows[name] for rows in found]).astype("float32") for name in found[0]
    }


def rollout_map(
    model: keras.Model,
    images: npt.ArrayLike,
    query: Query | None = None,
    residual: float = 0.5,
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """Returns the attention rollout of the tokens that the classifier sees, as a map.

    Args:
        model: Keras model, as for `attention_maps`.
        images: array (count, height, width, channels), as the model takes them.
        query: which of the tokens that leave the last stage: "class_token", "all" for their mean,
            or (row, column). None, the default, is the class token if the model has one, else all.
        residual: float, as for `attention_rollout`. Defaults to 0.5.
        batch_size: integer, images at a time. Defaults to 32.

    Returns:
        A float32 array (count, height, width) in tokens of the first stage. It sums to 1, less the
        share of the class token itself.

    Raises:
        ValueError: `query` is none of these, or see `attention_rollout`.

    Example:
        >>> model = keras_cabvit.CabViTP(
        ...     embed_dim=24, depth=2, num_heads=3, patch_size=8, input_shape=(64, 96, 3))
        >>> images = np.full((1, 64, 96, 3), 99.0, "float32")
        >>> keras_cabvit.explain.rollout_map(model, images).shape
        (1, 8, 12)
    """
    blocks = list(blocks_of(model).values())
    query_rows(blocks[-1], default_query(blocks[-1], query))
    rows = list(attention_rollout(model, images, residual, batch_size).values())[-1]
    return as_map(rows, blocks, query)


def default_query(last: Block, query: Query | None) -> Query:
    """Returns a query, or that of the tokens that the classifier sees if it is None."""
    if query is not None:
        return query
    return "class_token" if last.prefix else "all"


def as_map(rows: np.ndarray, blocks: list[Block], query: Query | None) -> np.ndarray:
    """Returns the map (count, height, width) of the rollout rows of the last stage."""
    first, last = blocks[0], blocks[-1]
    chosen = rows[:, query_rows(last, default_query(last, query))].mean(axis=1)
    return chosen[:, first.prefix :].reshape(-1, *first.grid)


@dataclass(frozen=True, eq=False)
class RolloutPath:
    """The stages of a model, and the weights of the convolutions that rollout passes.

    Attributes:
        stages: dict from the stages' names to their `Block`s.
        merging: dict from a stage's name to the shares (tokens, tokens of the stage before) of the
            patch merging before it; None for the first stage.
        residual: float, the share of the residual connection.
    """

    stages: dict[str, list[Block]]
    merging: dict[str, np.ndarray | None]
    residual: float

    def rows(self, maps: Maps) -> dict[str, np.ndarray]:
        """Returns the rollout of a batch by stage, float64 (batch, tokens, tokens at first)."""
        found: dict[str, np.ndarray] = {}
        rows = None
        for name, blocks in self.stages.items():
            merging = self.merging[name]
            if rows is None or merging is None:
                rows = np.eye(blocks[0].tokens)[None]
            else:
                rows = merging @ rows
            rows = self._through_stage(blocks, maps, rows)
            found[name] = rows
        return found

    def _through_stage(self, blocks: list[Block], maps: Maps, rows: np.ndarray) -> np.ndarray:
        digests: dict[str, np.ndarray] = {}
        for block in blocks:
            attention = maps[block.name].mean(axis=1, dtype="float64")
            attention /= attention.sum(axis=-1, keepdims=True)
            sources = [np.broadcast_to(rows, (len(attention), *rows.shape[1:]))]
            sources += [digests[source] for source in block.sources]
            attended = attention @ np.concatenate(sources, axis=1)
            rows = self.residual * rows + (1 - self.residual) * attended
            on_grid = rows[:, block.prefix :]
            merge_enhancement = block.layer.merge_enhancement
            if block.layer.merges:
                kernel = _kernel(merge_enhancement.merge_convolution)
                digests[block.name] = depthwise_shares(kernel, block.grid, stride=4) @ on_grid
            enhancement = getattr(merge_enhancement, "enhancement", None)
            if enhancement is not None:
                shares = depthwise_shares(_kernel(enhancement.convolution), block.grid)
                rows = np.concatenate([rows[:, : block.prefix], shares @ on_grid], axis=1)
        return rows


def rollout_path(model: keras.Model, residual: float = 0.5) -> RolloutPath:
    """Returns the way that rollout takes through a model.

    Raises:
        ValueError: see `attention_rollout`.
    """
    if not 0 <= residual <= 1:
        raise ValueError(f"`residual` must be from 0 to 1. Received: residual={residual}")
    every = blocks_of(model).values()
    stages = {
        name: [block for block in every if block.name.startswith(f"{name}/")]
        for name in stages_of(model)
    }
    merging: dict[str, np.ndarray | None] = {}
    between: list[Any] = []
    before: tuple[int, int] | None = None
    for layer in layers_in_order(model, (CabViTStage, PatchMerging, FusedConvolutions)):
        if not isinstance(layer, CabViTStage):
            between.append(layer)
            continue
        block = stages[layer.name][0]
        merging[layer.name] = None
        if before is not None:
            shares, grid = _through_convolutions(between, before)
            if grid != block.grid or block.prefix:
                raise ValueError(
                    f"Rollout follows a stage into the next through patch merging, which turns "
                    f"{before[0]}x{before[1]} tokens into {grid[0]}x{grid[1]} here. Stage "
                    f"'{layer.name}' of '{model.name}' takes {block.grid[0]}x{block.grid[1]}."
                )
            merging[layer.name] = shares
        before, between = block.grid, []
    return RolloutPath(stages, merging, residual)


def _through_convolutions(
    layers: Iterable[Any], grid: tuple[int, int]
) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns the shares of a chain of convolutions, and the grid of their output."""
    rows = np.eye(grid[0] * grid[1])
    for convolution in _convolutions(layers):
        stride = max(convolution.strides)
        if max(*convolution.kernel_size, stride) > 1:
            rows = depthwise_shares(_kernel(convolution), grid, stride) @ rows
            grid = (-(-grid[0] // stride), -(-grid[1] // stride))
    return rows, grid


def _convolutions(layers: Iterable[Any]) -> Iterator[Any]:
    for layer in layers:
        parts = layer.convolutions
        for part in parts() if callable(parts) else parts:
            yield part.convolution


def _kernel(convolution: Any) -> np.ndarray:
    """Returns the kernel of a depthwise convolution, (height, width, channels)."""
    return np.asarray(keras.ops.convert_to_numpy(convolution.kernel), "float64")[..., 0]


def depthwise_shares(kernel: np.ndarray, grid: tuple[int, int], stride: int = 1) -> np.ndarray:
    """Returns the shares in which the outputs of a depthwise convolution are made of its inputs.

    Args:
        kernel: array (side, side, channels) with an odd side, padded by half a side.
        grid: (height, width) of the input.
        stride: integer. Defaults to 1.

    Returns:
        An array (places of the output, places of the input), in row order. Each row is the mean
        over channels of their absolute weights, divided by their sum over the places inside the
        map; channels whose weights there are all 0 do not count, and if none counts, all places of
        the kernel count alike.
    """
    weights = np.abs(kernel)
    half = weights.shape[0] // 2
    height, width = grid
    rows, columns = -(-height // stride), -(-width // stride)
    shares = np.zeros((rows, columns, height, width))
    for row in range(rows):
        down, kernel_rows = _inside(row * stride, half, height)
        for column in range(columns):
            across, kernel_columns = _inside(column * stride, half, width)
            inside = weights[kernel_rows, kernel_columns]
            sums = inside.sum(axis=(0, 1))
            if not sums.any():
                inside, sums = np.ones_like(inside), np.full(sums.shape, inside[..., 0].size)
            used = sums > 0
            shares[row, column, down, across] = (inside[..., used] / sums[used]).mean(axis=-1)
    return shares.reshape(rows * columns, height * width)


def _inside(centre: int, half: int, side: int) -> tuple[slice, slice]:
    """Returns the part of a kernel's window that is inside the map, in the map and the kernel."""
    first, last = max(centre - half, 0), min(centre + half, side - 1)
    start = first - centre + half
    return slice(first, last + 1), slice(start, start + last - first + 1)
