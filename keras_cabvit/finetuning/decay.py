"""Layer-wise decay of the learning rate: earlier blocks change less."""

import keras

from keras_cabvit.finetuning.naming import top_layers
from keras_cabvit.layers import CabViTStage


def layerwise_rates(model: keras.Model, layer_decay: float) -> dict[str, float]:
    """Returns the learning rate factor of every layer, smaller for earlier blocks.

    The factor is 1 for the classifier and the norm before it, `layer_decay` for the last block, its
    square for the block before that, and so on to the stem; a layer between two stages has the
    factor of the block after it. (ELECTRA, section 3.2, and BEiT, appendix H, for vision
    transformers.) `LayerwiseOptimizer` takes the result. Freeze before, not after.

    Args:
        model: a CabViT, alone or with other layers after it.
        layer_decay: float above 0, at most 1. 0.65 to 0.9 is common.

    Returns:
        Dict from the path of a layer, or of a block ("stage_2/block_0"), to its factor, without
        layers that have nothing to train; empty if `layer_decay` is 1.

    Raises:
        ValueError: `layer_decay` is out of range.

    Example:
        >>> model = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3), classes=10)
        >>> rates = keras_cabvit.finetuning.layerwise_rates(model, 0.5)
        >>> rates["predictions"], rates["stage_3/block_1"], rates["stage_3/block_0"]
        (1.0, 0.5, 0.25)
    """
    if isinstance(layer_decay, bool) or not 0 < layer_decay <= 1:
        raise ValueError(
            f"`layer_decay` must be above 0 and at most 1. Received: layer_decay={layer_decay!r}"
        )
    if layer_decay == 1:
        return {}
    groups: list[list[keras.layers.Layer]] = [[]]
    for layer in top_layers(model):
        if isinstance(layer, CabViTStage):
            first, *others = ([block] for block in layer.blocks)
            groups[-1] += first
            groups += others
            groups.append([])
        elif "_block_" in layer.name or layer.name in ("stem", "patch_embedding"):
            groups[-1].append(layer)
            groups.append([])
        else:
            groups[-1].append(layer)
    return {
        layer.path: float(layer_decay) ** distance
        for distance, group in enumerate(reversed(groups))
        for layer in group
        if any(weight.trainable for weight in layer.weights)
    }


def factor_of(path: str, factors: dict[str, float]) -> float:
    """Returns the factor of a variable: its own, or that of the innermost layer around it.

    Args:
        path: path of the variable.
        factors: dict from paths of variables or layers to factors. All others have 1.
    """
    while path:
        if path in factors:
            return factors[path]
        path = path.rpartition("/")[0]
    return 1.0
