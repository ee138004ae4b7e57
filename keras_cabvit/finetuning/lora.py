"""LoRA: low-rank changes of the dense layers inside blocks (Hu et al. 2021, arXiv 2106.09685)."""

import math
from collections.abc import Sequence

import keras

from keras_cabvit.finetuning.naming import as_names, matching_layers
from keras_cabvit.layers.adaptable_dense import AdaptableDense
from keras_cabvit.layers.flatten_layers import flatten_layers
from keras_cabvit.layers.leaf import add_lora, inner_layers
from keras_cabvit.layers.numpy_arguments import accepts_numpy, is_positive_integer


@accepts_numpy
def enable_lora(
    model: keras.Model,
    rank: int,
    layers: Sequence[str] = ("query", "key_value"),
    alpha: float | None = None,
    train: Sequence[str] | None = None,
) -> list[keras.layers.Layer]:
    """Adds LoRA to dense layers of a model, and freezes everything else.

    Each of the layers then computes with `kernel + alpha / rank * a @ b`, where `a` (channels in,
    rank) and `b` (rank, channels out) are trained, and `b` starts at zero: outputs are unchanged
    until training. As in the tasks of KerasHub, all other weights are frozen, biases included, and
    BatchNorm normalizes with its moving statistics. Call it before `model.compile`, on a model that
    may be quantised to int8 or int4.

    A `.keras` file stores the factors, so that a loaded model continues to train;
    `keras_cabvit.inference.fuse` and all exports merge them.

    Args:
        model: a CabViT, alone or inside another model. It is changed.
        rank: integer, the rank of the change: 4 to 16 is common.
        layers: names of dense layers inside blocks: `query`, `key_value` and `projection` of
            attention, `expand` and `project` of MLPs. A name may follow those of the layers around
            it, and contain wildcards: "stage_3/block_*/attention/query". Each name is matched
            whole. Defaults to `query` and `key_value`.
        alpha: float, the scale of the change times `rank`. Defaults to None: `rank`, a scale of 1.
        train: names of layers to train in full, in the same form. Defaults to None: the classifier
            `predictions`, if the model has one. Layers that are around `model` are not affected.

    Returns:
        A list of the layers with LoRA.

    Raises:
        ValueError: an argument is wrong; a name is not that of a dense layer inside a block; or a
            layer has LoRA already or is quantised in another mode. The model is unchanged.

    Example:
        >>> model = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3), classes=10)
        >>> len(keras_cabvit.finetuning.enable_lora(model, rank=4))
        16
        >>> sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        39050
    """
    if not is_positive_integer(rank):
        raise ValueError(f"`rank` must be a positive integer. Received: rank={rank!r}")
    if alpha is not None and (isinstance(alpha, bool) or not 0 < alpha < math.inf):
        raise ValueError(
            f"`alpha` must be a finite number above 0, or None. Received: alpha={alpha!r}"
        )
    chosen = [layer for name in as_names("layers", layers) for layer in _dense_layers(model, name)]
    chosen = list({id(layer): layer for layer in chosen}.values())
    if not chosen:
        raise ValueError("`layers` must name at least one layer. Received: layers=[]")
    trained = _trained_layers(model, train)
    model.trainable = True
    for layer in flatten_layers(model, include_self=False):
        # The layers of an inner model are among these. If it were frozen itself, Keras would freeze
        # all of its layers when the model is loaded.
        if not isinstance(layer, keras.Model):
            layer.trainable = False
    for layer in trained:
        layer.trainable = True
    for layer in chosen:
        add_lora(layer, rank, alpha, train_bias=False)
    return chosen


def _dense_layers(model: keras.Model, name: str) -> list[AdaptableDense]:
    """Returns the dense layers of a name, once it is certain that each can get LoRA."""
    found = [each for each in matching_layers(model, name) if isinstance(each, AdaptableDense)]
    if not found:
        names = [each.name for _, each in inner_layers(model) if isinstance(each, AdaptableDense)]
        raise ValueError(
            "`layers` must name dense layers inside blocks, whole names without or with wildcards: "
            f"{', '.join(dict.fromkeys(names)) or 'this model has none'}. Received: {name}"
        )
    for layer in found:
        if layer.lora_enabled:
            raise ValueError(
                f"Layer '{layer.path}' has LoRA of rank {layer.lora_rank} already. Add it once, to "
                "all layers that need it."
            )
        if layer.quantization_mode not in (None, "int8", "int4"):
            raise ValueError(
                f"Layer '{layer.path}' is quantised to {layer.quantization_mode}, which Keras does "
                "not combine with LoRA. Quantise to int8 or int4, or not at all."
            )
    return found


def _trained_layers(model: keras.Model, train: Sequence[str] | None) -> list[keras.layers.Layer]:
    if train is None:
        return matching_layers(model, "predictions")
    found = {name: matching_layers(model, name) for name in as_names("train", train)}
    unknown = [name for name, layers in found.items() if not any(each.weights for each in layers)]
    if unknown:
        raise ValueError(
            "`train` must name layers of the model that have weights, by whole names. "
            f"Received: {', '.join(unknown)}"
        )
    return [layer for layers in found.values() for layer in layers]
