"""Freezing: parts of a model whose weights training leaves as they are."""

from collections.abc import Sequence

import keras

from keras_cabvit.layers import CabViTStage


def freeze(model: keras.Model, names: Sequence[str]) -> list[keras.layers.Layer]:
    """Makes parts of a model untrainable.

    Their weights keep their values, decay included, and the optimizer has no moments of them. Their
    BatchNorm normalizes with its moving statistics, which do not move; dropout and stochastic depth
    are as in the other parts.

    Args:
        model: a CabViT.
        names: names of layers ("stem", "merging_1", "stage_0_block_0"), of blocks of an attention
            stage ("stage_2_block_0") or of whole stages ("stage_0").

    Returns:
        A list of the frozen layers.

    Raises:
        ValueError: the model has no such part, or nothing would be left to train. The model is
            unchanged.
    """
    parts = _parts(model)
    unknown = [name for name in names if name not in parts]
    if unknown:
        raise ValueError(
            f"`freeze` must name parts of the model: {', '.join(parts)}. "
            f"Received: {', '.join(unknown)}"
        )
    frozen = [layer for name in dict.fromkeys(names) for layer in parts[name]]
    weights = {id(weight) for layer in frozen for weight in layer.trainable_weights}
    if all(id(weight) in weights for weight in model.trainable_weights):
        raise ValueError(
            "`freeze` must leave something to train: leave out predictions, for example. "
            f"Received: {', '.join(names)}"
        )
    for layer in frozen:
        layer.trainable = False
    return frozen


def _parts(model: keras.Model) -> dict[str, list[keras.layers.Layer]]:
    """Returns the layers of every part that has a name and weights."""
    parts: dict[str, list[keras.layers.Layer]] = {}
    for layer in model.layers:
        if not layer.weights:
            continue
        stage, block, _ = layer.name.partition("_block_")
        if block:
            parts.setdefault(stage, []).append(layer)
        parts[layer.name] = [layer]
        if isinstance(layer, CabViTStage):
            parts |= {f"{layer.name}_{each.name}": [each] for each in layer.blocks}
    return parts
