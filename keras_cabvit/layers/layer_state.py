"""Setting the weights of any Keras layer, so that it computes with them."""

import keras

from keras_cabvit.layers.flatten_layers import flatten_layers


def set_weights(layer, values):
    """Sets the weights of a layer, as its own `set_weights` does, and what is derived from them.

    A `keras.layers.Normalization` that was adapted to images computes with tensors, which Keras
    makes of its weights when it adapts or loads it, but not in `set_weights`.

    Args:
        layer: Keras layer or model, built.
        values: list of arrays, in the order of `layer.weights`.
    """
    layer.set_weights(values)
    for part in flatten_layers(layer):
        if isinstance(part, keras.layers.Normalization):
            part.finalize_state()
