"""Feature maps of a model: the levels of its pyramid, and the tokens of any block."""

import re

import keras

from keras_cabvit.layers import CabViTStage

_CONVOLUTIONAL_BLOCK = re.compile(r"(stage_\d+)_(block_\d+)")
_LAST = -1
# A level's stride is 2 to the power of its number.
_LEVELS = {f"P{stage + 2}": f"stage_{stage}" for stage in range(4)}


def features(model, names=None):
    """Creates a model with the same layers and weights that returns feature maps by name.

    Nothing is copied: training the new model trains the given one. Layers that no feature needs,
    such as the classifier, are left out.

    Args:
        model: functional model of this library, with or without the classifier, fused or not.
        names: list of strings. "P2", "P3", "P4" and "P5" are the outputs of a hybrid model's four
            stages, with strides of 4 to 32 pixels, not normalised; "stage_2/block_3" is the output
            of a block, numbered from 0. The blocks of a plain model are "stage/block_0" and so on.
            None, the default, is the four levels of a hybrid model.

    Returns:
        A `keras.Model` from images to a dict with these names: feature maps of shape (batch,
        height / stride, width / stride, channels), or a plain model's tokens (batch, 1 + patches,
        channels), class token first.

    Raises:
        ValueError: `model` is not a functional model with stages of this library, or `names` is
            not a list of its levels and blocks.

    Example:
        >>> backbone = keras_cabvit.CabViTH(
        ...     embed_dims=(8, 16, 32, 64), depths=(1, 1, 2, 1), num_heads=(1, 2),
        ...     include_top=False, windowed=True, input_shape=(None, None, 3))
        >>> pyramid = keras_cabvit.features(backbone, ["P2", "P5", "stage_2/block_0"])
        >>> maps = pyramid(np.zeros((1, 64, 96, 3), "float32"))
        >>> tuple(maps["P2"].shape), tuple(maps["P5"].shape)
        ((1, 16, 24, 8), (1, 2, 3, 64))
    """
    places = _places(model)
    names = _checked_names(model, names, places)
    # By the layer's name: a dict from features to the indices of their blocks inside the layer.
    wanted = {}
    for name in names:
        layer_name, index = places[name]
        wanted.setdefault(layer_name, {})[name] = index
    found = {}

    def same_or_twin(layer):
        return _twin(layer) if _looks_inside(wanted.get(layer.name, {})) else layer

    def call(layer, *args, **kwargs):
        indices = wanted.get(layer.name, {})
        if _looks_inside(indices) and not kwargs.get("return_intermediates"):
            tokens = layer(*args, **{**kwargs, "return_intermediates": "tokens"})["tokens"]
            outputs = tokens[_LAST]
        else:
            outputs = layer(*args, **kwargs)
            tokens = outputs["tokens"] if isinstance(outputs, dict) else [outputs]
        found.update({name: tokens[index] for name, index in indices.items()})
        return outputs

    # A model of its own, because Keras would compile the copy of a compiled one.
    graph = keras.Model(model.input, model.output)
    graph = keras.models.clone_model(graph, clone_function=same_or_twin, call_function=call)
    outputs = {name: found[name] for name in names}
    return keras.Model(graph.input, outputs, name=f"{model.name}_features")


def _looks_inside(indices):
    return any(index != _LAST for index in indices.values())


def _twin(stage):
    """Returns a stage with the same blocks, hence the same weights.

    In a model, Keras lets a layer have only one structure of outputs, that of its first call.
    """
    twin = stage.with_parts(lambda block: block)
    twin.built = True  # building would replace the blocks' weights
    return twin


def _places(model):
    """Returns a dict from every name to the layer's name and the index of a block in the layer."""
    inside = "If it contains a CabViT as one of its layers, pass that one."
    if not hasattr(model, "operations"):
        raise ValueError(
            "`model` must be a functional model of this library. "
            f"{inside} Received: '{model.name}' of type {type(model).__name__}"
        )
    blocks, last = {}, {}
    for layer in model.layers:
        match = _CONVOLUTIONAL_BLOCK.fullmatch(layer.name)
        if match:
            stage, block = match.groups()
            blocks[f"{stage}/{block}"] = last[stage] = layer.name, _LAST
        elif isinstance(layer, CabViTStage):
            last[layer.name] = layer.name, _LAST
            for index, block in enumerate(layer.blocks):
                index = index if index < len(layer.blocks) - 1 else _LAST
                blocks[f"{layer.name}/{block.name}"] = layer.name, index
    if not blocks:
        raise ValueError(
            f"`model` must have the stages of a CabViT among its layers, and '{model.name}' has "
            f"none. {inside}"
        )
    levels = {level: last[stage] for level, stage in _LEVELS.items() if stage in last}
    return levels | blocks


def _checked_names(model, names, places):
    levels = [name for name in places if "/" not in name]
    blocks = [name for name in places if "/" in name]
    if names is None:
        names = levels or list(_LEVELS)
    is_list = isinstance(names, (list, tuple)) and len(names) > 0
    unknown = [name for name in names if name not in places] if is_list else []
    if not levels and any(name in _LEVELS for name in unknown):
        raise ValueError(
            f"`names` must be blocks of the plain model '{model.name}', such as {blocks[:1]}: it "
            "has no pyramid of levels, because all of its blocks have the same stride. "
            f"Received: names={names}"
        )
    if not is_list or unknown:
        raise ValueError(
            f"`names` must be a list of features of '{model.name}', which has "
            f"{', '.join((*levels, *blocks))}. Received: names={names!r}"
        )
    return list(names)
