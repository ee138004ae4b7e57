"""The blocks of a model that attend, and where each token of their attention maps comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_cabvit.layers import CabViTStage
from keras_cabvit.layers.leaf import inner_layers


@dataclass(frozen=True, eq=False)
class Block:
    """A block of a CabViT stage, as its attention maps see it.

    A row of its maps has `prefix` tokens, then the tokens of `grid` in row order, then for each
    block in `sources` the digest tokens of `digest_grid` in row order.

    Attributes:
        name: the stage's name and the block's, such as "stage_2/block_3".
        layer: the `CabViTBlock`.
        grid: (height, width) of the block's own tokens.
        prefix: integer, the number of tokens before the grid: 1 for a class token, else 0.
        digest_grid: (rows, columns) of the digest tokens of one earlier block.
        sources: tuple of the names of the earlier blocks whose digest tokens it attends to, the
            oldest first.
    """

    name: str
    layer: Any
    grid: tuple[int, int]
    prefix: int
    digest_grid: tuple[int, int]
    sources: tuple[str, ...]

    @property
    def tokens(self) -> int:
        """The number of the block's own tokens, including the prefix."""
        return self.prefix + self.grid[0] * self.grid[1]


def stages_of(model: keras.Model) -> dict[str, CabViTStage]:
    """Returns the CabViT stages of a model and of the models nested in it, by name.

    Raises:
        ValueError: there are none, two have the same name, or one attends within windows.
    """
    found = [layer for layer in _layers(model) if isinstance(layer, CabViTStage)]
    if not found:
        raise ValueError(
            "`model` must be a Keras model with a CabViTStage, which has the attention maps: a "
            "model of keras_cabvit, or a model around one. An exported file has scores alone. "
            f"Received: {getattr(model, 'name', model)!r}"
        )
    stages = {stage.name: stage for stage in found}
    if len(stages) < len(found):
        raise ValueError(
            f"The stages of a model must have different names. '{model.name}' has: "
            f"{', '.join(stage.name for stage in found)}. Explain each of its nested models alone."
        )
    for stage in found:
        if stage.window is not None:
            raise ValueError(
                f"Stage '{stage.name}' of '{model.name}' attends within windows of {stage.window} "
                "tokens, so that its maps are of windows and not of the image. Build the model "
                "without windows at this size and load its weights; `stage(features, "
                "return_intermediates=True)` gives the maps of each window."
            )
    return stages


def _layers(model: Any) -> list[keras.layers.Layer]:
    if not isinstance(model, keras.layers.Layer):
        return []
    # Keras' own list has the layers of a nested model from the last to the first.
    return list(dict.fromkeys([model, *(layer for _, layer in inner_layers(model))]))


def layers_in_order(model: keras.Model, classes: tuple[type, ...]) -> list[keras.layers.Layer]:
    """Returns the layers of some classes, in the order in which the model was put together."""
    return [layer for layer in _layers(model) if isinstance(layer, classes)]


def blocks_of(model: keras.Model) -> dict[str, Block]:
    """Returns the blocks of all CabViT stages by name, in order.

    Raises:
        ValueError: see `stages_of`.
    """
    blocks = {}
    for stage in stages_of(model).values():
        merged: list[str] = []
        for layer in stage.blocks:
            layout = layer.attention.layout
            name = f"{stage.name}/{layer.name}"
            blocks[name] = Block(
                name,
                layer,
                (layout.height, layout.width),
                layout.prefix,
                layout.digest_grid,
                tuple(merged[-stage.max_digests :] if stage.max_digests else ()),
            )
            if layer.merges:
                merged.append(name)
    return blocks


def chosen_blocks(model: keras.Model, names: str | Sequence[str] | None) -> dict[str, Block]:
    """Returns the blocks of some names, in the order of the names; None means all.

    Raises:
        ValueError: there is no block of a name, no name is given, or see `stages_of`.
    """
    blocks = blocks_of(model)
    if names is None:
        return blocks
    names = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in names if name not in blocks]
    if unknown or not names:
        raise ValueError(
            f"`blocks` must be names of blocks of '{model.name}': {', '.join(blocks)}. "
            f"Received: {', '.join(map(str, unknown)) or 'none'}"
        )
    return {name: blocks[name] for name in names}


def block_names(model: keras.Model) -> list[str]:
    """Returns the names of the blocks that attend, by which the functions here call them.

    Args:
        model: Keras model with one or more CabViT stages, even in a model nested in it.

    Returns:
        A list of strings: the stage's name, a slash, and the block's.

    Raises:
        ValueError: the model has no CabViT stage, or one that attends within windows.

    Example:
        >>> model = keras_cabvit.CabViTP(
        ...     embed_dim=24, depth=2, num_heads=3, patch_size=4, input_shape=(32, 32, 3))
        >>> keras_cabvit.explain.block_names(model)
        ['stage/block_0', 'stage/block_1']
    """
    return list(blocks_of(model))
