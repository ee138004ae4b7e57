"""A layer that creates its inner layers itself, and stores what was changed in them."""

import keras

from keras_cabvit.layers.adaptable_dense import AdaptableDense
from keras_cabvit.layers.flatten_layers import flatten_layers


class Leaf(keras.layers.Layer):
    """Base of layers whose config does not contain the configs of the layers inside them.

    Fine-tuning changes inner layers: it freezes some, and adds LoRA to others. The config records
    these changes, so that a model that is loaded, cloned or rebuilt has them too. Inner layers that
    the record does not name are trainable if the layer is.

    Args:
        inner: dict from paths of inner layers, such as "norm" or "channel_mixing/expand", to
            changes: `trainable`, a boolean; `lora_rank`, `lora_alpha` and `lora_bias`, whether the
            bias is trained with the factors. The config of a changed layer contains it. Defaults to
            None.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.
    """

    def __init__(self, inner=None, **kwargs):
        super().__init__(**kwargs)
        self._inner = dict(inner or {})

    def _post_build(self):
        super()._post_build()
        for path, layer in inner_layers(self):
            changes = self._inner.get(path, {})
            trainable = changes.get("trainable", self.trainable)
            if layer.trainable != trainable:
                layer.trainable = trainable
            if "lora_rank" in changes and not layer.lora_enabled:
                add_lora(layer, changes["lora_rank"], changes["lora_alpha"], changes["lora_bias"])
                if not trainable:  # frozen after the factors were added
                    layer.trainable = False

    def _changes(self):
        if not self.built:
            return self._inner
        found = {path: self._changes_of(layer) for path, layer in inner_layers(self)}
        return {path: changes for path, changes in found.items() if changes}

    def _changes_of(self, layer):
        changes = {}
        if layer.trainable != self.trainable:
            changes["trainable"] = layer.trainable
        if isinstance(layer, AdaptableDense) and layer.lora_enabled:
            changes |= {
                "lora_rank": layer.lora_rank,
                "lora_alpha": layer.lora_alpha,
                "lora_bias": layer.bias is not None and layer.bias.trainable,
            }
        return changes

    def get_config(self):
        """Returns the arguments that all Keras layers take, and the changed inner layers if any."""
        changes = self._changes()
        return {**super().get_config(), **({"inner": changes} if changes else {})}


def inner_layers(layer, prefix=""):
    """Yields the path and the layer of everything inside a layer, each before what is inside it.

    Args:
        layer: a Keras layer or model.
        prefix: string that all paths begin with.
    """
    for child in flatten_layers(layer, include_self=False, recursive=False):
        path = f"{prefix}{child.name}"
        yield path, child
        yield from inner_layers(child, f"{path}/")


def add_lora(layer, rank, alpha, train_bias):
    """Adds LoRA to a dense layer; only the factors, and the bias if requested, are trainable.

    Args:
        layer: built `AdaptableDense`.
        rank: integer.
        alpha: float, or None for `rank`.
        train_bias: whether the bias is trained as well.
    """
    layer.trainable = True
    layer.enable_lora(rank, lora_alpha=alpha)
    if layer.bias is not None:
        layer.bias.trainable = train_bias
