"""Layers that make their own dense layers remember which of these Keras has quantised."""

import keras


def quantized_parts(layer, *names):
    """Returns the part of a layer's config that says which of its dense layers are quantised.

    `model.quantize` changes the dtype policy of the dense layers inside a layer, and a layer that
    is made of its config has to make them with these policies for the stored weights to fit.

    Args:
        layer: whose config it is.
        *names: attributes of the layer that are dense layers once it is built.

    Returns:
        An empty dict, or one with the entry `quantized`: a dict from attributes to serialised
        policies.
    """
    parts = {name: getattr(layer, name, None) for name in names}
    quantized = {
        name: keras.dtype_policies.serialize(part.dtype_policy)
        for name, part in parts.items()
        if part is not None and part.quantization_mode is not None
    }
    quantized = {**layer.quantized, **quantized}
    return {"quantized": quantized} if quantized else {}
