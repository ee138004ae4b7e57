"""Attention maps of blocks, and the shares that go to places and to digest tokens."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_cabvit.explain.blocks import Block, chosen_blocks
from keras_cabvit.explain.recording import checked_images, recorded_maps

BATCH_SIZE = 32

Query = str | tuple[int, int]


def attention_maps(
    model: keras.Model,
    images: npt.ArrayLike,
    blocks: str | Sequence[str] | None = None,
    batch_size: int = BATCH_SIZE,
) -> dict[str, np.ndarray]:
    """Returns the attention maps of blocks: the softmax weights of each head.

    A row has the weights of one query: over the block's own tokens in row order (after the class
    token, if the model has one), then over the digest tokens of each earlier block, the oldest
    first, each in row order. It sums to 1. `place_shares` and `digest_shares` take a row apart.

    A model that computes in half precision, such as "mixed_bfloat16", computes each softmax in
    float32 and rounds it before multiplying the values; its maps are those rounded ones, in float32
    and divided by the sum of their row.

    Args:
        model: Keras model with one or more CabViT stages, even in a model nested in it; trained,
            fused or quantised. It is not changed.
        images: array (count, height, width, channels), as the model takes them.
        blocks: names from `block_names`, or one name. None, the default, means all.
        batch_size: integer, images at a time. Defaults to 32.

    Returns:
        A dict from the blocks' names to arrays (count, heads, tokens, tokens + digest tokens),
        float32, or float64 for a float64 model.

    Raises:
        ValueError: the model has no CabViT stage, attends within windows, or calls a stage more
            than once; there is no block of a name; or `images` do not fit the model.

    Example:
        >>> model = keras_cabvit.CabViTP(
        ...     embed_dim=24, depth=2, num_heads=3, patch_size=8, input_shape=(64, 64, 3))
        >>> images = np.full((1, 64, 64, 3), 99.0, "float32")
        >>> maps = keras_cabvit.explain.attention_maps(model, images)
        >>> {name: each.shape for name, each in maps.items()}
        {'stage/block_0': (1, 3, 65, 65), 'stage/block_1': (1, 3, 65, 69)}
    """
    chosen = chosen_blocks(model, blocks)
    images = checked_images(model, images)
    found = list(recorded_maps(model, images, chosen, batch_size))
    return {name: np.concatenate([maps[name] for maps in found]) for name in chosen}


def place_shares(
    model: keras.Model,
    images: npt.ArrayLike,
    blocks: str | Sequence[str] | None = None,
    query: Query = "all",
    batch_size: int = BATCH_SIZE,
) -> dict[str, np.ndarray]:
    """Returns the shares of each block's attention that go to the places of its own map.

    The mean over heads and queries. With the shares of `digest_shares`, and that of the class token
    if the model has one, they sum to 1.

    Args:
        model: Keras model, as for `attention_maps`.
        images: array (count, height, width, channels), as the model takes them.
        blocks: names from `block_names`, or one name. None, the default, means all.
        query: "all", the default, for the mean over all tokens of the block; "class_token" for the
            class token alone; or (row, column) for one place.
        batch_size: integer, images at a time. Defaults to 32.

    Returns:
        A dict from the blocks' names to arrays (count, height, width) in tokens.

    Raises:
        ValueError: `query` is none of these, or see `attention_maps`.

    Example:
        >>> model = keras_cabvit.CabViTP(
        ...     embed_dim=24, depth=2, num_heads=3, patch_size=8, input_shape=(64, 96, 3))
        >>> images = np.full((1, 64, 96, 3), 99.0, "float32")
        >>> keras_cabvit.explain.place_shares(model, images)["stage/block_1"].shape
        (1, 8, 12)
    """
    chosen = chosen_blocks(model, blocks)
    images = checked_images(model, images)
    found = _shares(over_places, model, images, chosen, query, batch_size)
    return {name: np.concatenate([shares[name] for shares in found]) for name in chosen}


def digest_shares(
    model: keras.Model,
    images: npt.ArrayLike,
    blocks: str | Sequence[str] | None = None,
    query: Query = "all",
    batch_size: int = BATCH_SIZE,
) -> dict[str, dict[str, np.ndarray]]:
    """Returns the shares of each block's attention that go to digest tokens of earlier blocks.

    The mean over heads and queries. `shares[block][source].sum(axis=(1, 2))` is the share of the
    digest tokens of one earlier block; what is left to 1 goes to the block's own tokens.

    Args:
        model: Keras model, as for `attention_maps`.
        images: array (count, height, width, channels), as the model takes them.
        blocks: names from `block_names`, or one name. None, the default, means all.
        query: as for `place_shares`. Defaults to "all".
        batch_size: integer, images at a time. Defaults to 32.

    Returns:
        A dict from the blocks' names to dicts from the names of the earlier blocks whose digest
        tokens the block attends to, the oldest first, to arrays (count, rows, columns): a digest
        token at (row, column) merges 7x7 tokens around (4 * row, 4 * column). The dict of a stage's
        first block is empty.

    Raises:
        ValueError: see `place_shares`.

    Example:
        >>> model = keras_cabvit.CabViTP(
        ...     embed_dim=24, depth=2, num_heads=3, patch_size=8, input_shape=(64, 96, 3))
        >>> images = np.full((1, 64, 96, 3), 99.0, "float32")
        >>> shares = keras_cabvit.explain.digest_shares(model, images)
        >>> shares["stage/block_1"]["stage/block_0"].shape
        (1, 2, 3)
    """
    chosen = chosen_blocks(model, blocks)
    images = checked_images(model, images)
    found = _shares(over_digests, model, images, chosen, query, batch_size)
    return {
        name: {
            source: np.concatenate([shares[name][source] for shares in found])
            for source in block.sources
        }
        for name, block in chosen.items()
    }


def _shares(
    share: Callable[[np.ndarray, Block, slice], Any],
    model: keras.Model,
    images: np.ndarray,
    chosen: dict[str, Block],
    query: Query,
    batch_size: int,
) -> list[dict[str, Any]]:
    """Returns for each batch a dict from the blocks' names to what `share` makes of their maps."""
    rows = {name: query_rows(block, query) for name, block in chosen.items()}
    return [
        {name: share(maps[name], block, rows[name]) for name, block in chosen.items()}
        for maps in recorded_maps(model, images, chosen, batch_size)
    ]


def query_rows(block: Block, query: Query) -> slice:
    """Returns the rows of a block's maps that belong to a query, see `place_shares`.

    Raises:
        ValueError: it is no query of this block.
    """
    height, width = block.grid
    if query == "all":
        return slice(None)
    if query == "class_token" and block.prefix:
        return slice(0, 1)
    if isinstance(query, (tuple, list)) and len(query) == 2:
        row, column = query
        if row in range(height) and column in range(width):
            place = block.prefix + int(row) * width + int(column)
            return slice(place, place + 1)
    class_token = '"class_token", ' if block.prefix else ""
    raise ValueError(
        f'`query` must be "all", {class_token}or (row, column) below ({height}, {width}) for '
        f"{block.name}. Received: query={query!r}"
    )


def over_places(maps: np.ndarray, block: Block, rows: slice) -> np.ndarray:
    """(batch, heads, tokens, sources) -> (batch, height, width), the mean over heads and rows."""
    shares = maps[:, :, rows, block.prefix : block.tokens].mean(axis=(1, 2))
    return shares.reshape(-1, *block.grid)


def over_digests(maps: np.ndarray, block: Block, rows: slice) -> dict[str, np.ndarray]:
    """(batch, heads, tokens, sources) -> a dict of (batch, rows, columns) by earlier block."""
    shares = maps[:, :, rows, block.tokens :].mean(axis=(1, 2))
    shares = shares.reshape(len(maps), len(block.sources), *block.digest_grid)
    return {source: shares[:, index] for index, source in enumerate(block.sources)}
