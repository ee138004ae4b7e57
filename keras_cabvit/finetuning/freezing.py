"""Freezing: parts of a model whose weights training leaves as they are."""

from collections.abc import Sequence

import keras

from keras_cabvit.finetuning.naming import as_names, matching_layers, parts
from keras_cabvit.layers.flatten_layers import flatten_layers


def freeze(model: keras.Model, names: Sequence[str]) -> list[keras.layers.Layer]:
    """Makes parts of a model untrainable.

    Their weights keep their values, decay included, and the optimizer has no moments of them. Their
    BatchNorm normalizes with its moving statistics, which do not move; dropout and stochastic depth
    are as in the other parts. Freeze before `model.compile`. A saved model is loaded frozen.

    Args:
        model: a CabViT, alone or inside another model.
        names: names of layers ("stem", "merging_1", "stage_0_block_0"), of blocks of an attention
            stage ("stage_2_block_0") or of whole stages ("stage_0"); or patterns of the layers
            inside them ("stage_2/block_*/attention", "norm"), of which each name is matched whole.

    Returns:
        A list of the frozen layers.

    Raises:
        ValueError: the model has no such part, or nothing would be left to train. The model is
            unchanged.

    Example:
        >>> model = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3), classes=10)
        >>> frozen = keras_cabvit.finetuning.freeze(model, ["stem", "stage_0", "stage_2_block_0"])
        >>> [layer.name for layer in frozen]
        ['stem', 'stage_0_block_0', 'stage_0_block_1', 'block_0']
    """
    names = as_names("freeze", names)
    known = parts(model)
    found = {name: known.get(name) or matching_layers(model, name) for name in names}
    unknown = [name for name, layers in found.items() if not any(each.weights for each in layers)]
    if unknown:
        raise ValueError(
            f"`freeze` must name parts of the model: {', '.join(known)}. "
            f"Received: {', '.join(unknown)}"
        )
    frozen = list({id(layer): layer for layers in found.values() for layer in layers}.values())
    weights = {id(weight) for layer in frozen for weight in layer.weights}
    if all(id(weight) in weights for weight in model.trainable_weights):
        raise ValueError(
            "`freeze` must leave something to train: leave out predictions, for example. "
            f"Received: {', '.join(names)}"
        )
    for layer in frozen:
        # On TensorFlow, a layer that is frozen already, as around LoRA, freezes nothing inside it.
        for each in flatten_layers(layer):
            each.trainable = False
    return frozen
