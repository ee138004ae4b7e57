"""Dense layers inside other layers, which Keras may quantise, and their part of the config."""

import keras

from keras_cabvit.layers.adaptable_dense import AdaptableDense


def dense_part(layer, name, units):
    """Creates a dense layer inside another layer, quantised if the config says so.

    Args:
        layer: the other layer, of which `kernel_initializer`, `quantized` and the policy are read.
        name: name of the dense layer, and of the attribute that holds it.
        units: integer, channels out.
    """
    return AdaptableDense(
        units,
        kernel_initializer=layer.kernel_initializer.clone(),
        name=name,
        dtype=layer.quantized.get(name, layer.dtype_policy),
    )


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
