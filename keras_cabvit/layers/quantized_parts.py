"""Config of layers that create their own dense layers, some of which Keras has quantised."""

import keras


def quantized_parts(layer, *names):
    """Returns the part of a layer's config that records its quantised dense layers.

    `model.quantize` changes the dtype policies of the dense layers inside a layer, and a layer
    created from its config must give them these policies for the stored weights to fit.

    Args:
        layer: the layer whose config it is.
        *names: names of the layer's attributes that are dense layers once it is built.

    Returns:
        An empty dict, or one with the entry `quantized`: a dict from attribute names to serialised
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
