"""Dense layers inside other layers, which Keras may quantise, and their part of the config."""

import copy
import json

import keras

from keras_cabvit.layers.adaptable_dense import AdaptableDense

_CONFIG = "quantization_config"
_WITH_QUANTIZERS = (
    keras.quantizers.Int8QuantizationConfig,
    keras.quantizers.Int4QuantizationConfig,
)


def dense_part(layer, name, units):
    """Creates a dense layer inside another layer, quantised if the config says so.

    Args:
        layer: the other layer, of which `kernel_initializer`, `quantized` and the policy are read.
        name: name of the dense layer, and of the attribute that holds it.
        units: integer, channels out.
    """
    dtype, config = layer.quantized.get(name, layer.dtype_policy), None
    if isinstance(dtype, dict) and _CONFIG in dtype:
        dtype, config = dtype["policy"], keras.saving.deserialize_keras_object(dtype[_CONFIG])
    return AdaptableDense(
        units,
        kernel_initializer=layer.kernel_initializer.clone(),
        quantization_config=config,
        name=name,
        dtype=dtype,
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
        policies; or, where the quantisers are not those of the mode, to a dict of "policy" and
        "quantization_config".
    """
    parts = {name: getattr(layer, name, None) for name in names}
    quantized = {
        name: _quantization(part)
        for name, part in parts.items()
        if part is not None and part.quantization_mode is not None
    }
    quantized = {**layer.quantized, **quantized}
    return {"quantized": quantized} if quantized else {}


def _quantization(part):
    policy = keras.dtype_policies.serialize(part.dtype_policy)
    config = part.quantization_config
    # The other modes compute with nothing but what their policy says.
    if not isinstance(config, _WITH_QUANTIZERS) or _activations(config) == _activations(
        type(config)()
    ):
        return policy
    stored = copy.copy(config)
    stored.weight_quantizer = None  # the weights are quantised already
    return {"policy": policy, _CONFIG: keras.saving.serialize_keras_object(stored)}


def _activations(config):
    """Returns what two configs with the same quantiser of activations have in common."""
    quantizer = config.activation_quantizer
    # Not serialised as a whole: inside `model.save`, that would number shared objects.
    return quantizer and (type(quantizer), json.dumps(quantizer.get_config(), sort_keys=True))
