"""Layers with LoRA or quantised kernels, as plain layers of the same weights."""

import keras
import numpy as np
from keras import ops

from keras_cabvit.inference.folding import exact
from keras_cabvit.layers.adaptable_dense import AdaptableDense
from keras_cabvit.layers.layer_state import set_weights

MODES = ("int8", "int4", "float8")


def check_quantization(layer):
    """Raises a ValueError if a layer is quantised in a way that cannot be dequantised."""
    mode = getattr(layer, "quantization_mode", None)
    if mode is None or (mode in MODES and isinstance(layer, keras.layers.Dense)):
        return
    raise ValueError(
        f"Layer '{layer.name}' of type {type(layer).__name__} is quantised to {mode}. Only dense "
        f"layers quantised to {', '.join(MODES)} are dequantised. Fuse or export the model from "
        "before `quantize`."
    )


def plain_class(layer):
    """Returns the class of a layer without LoRA and quantisation that is otherwise the same."""
    return keras.layers.Dense if isinstance(layer, AdaptableDense) else type(layer)


def plain_policy(layer):
    """Returns the dtype policy of a layer from before it was quantised."""
    policy = layer.dtype_policy
    if policy.quantization_mode is None:
        return policy
    return keras.dtype_policies.get(policy.name.rpartition("_from_")[2])


def plain_config(layer):
    """Returns a layer's config without LoRA and quantisation."""
    config = layer.get_config()
    if "lora_rank" in config:
        config["lora_rank"] = None
    if getattr(layer, "quantization_mode", None) is not None:
        config |= {"dtype": plain_policy(layer), "quantization_config": None}
    return config


def copy_weights(layer, other):
    """Copies weights to a plain layer from another, dequantised and with LoRA merged.

    The copies have their own memory: JAX frees the arrays passed to a training step, and with them
    any that share their memory.
    """
    quantised = getattr(other, "quantization_mode", None) is not None
    if not (quantised or getattr(other, "lora_enabled", False)):
        set_weights(layer, [np.array(weight) for weight in other.get_weights()])
    elif hasattr(other, "kernel"):
        layer.kernel.assign(exact_kernel(other))
        if getattr(other, "bias", None) is not None:
            layer.bias.assign(exact(other.bias))
    else:
        layer.embeddings.assign(exact(other.embeddings))


def exact_kernel(layer):
    """Returns the kernel of a dense layer or convolution as a float64 array.

    It is dequantised, and LoRA is merged.
    """
    if getattr(layer, "quantization_mode", None) is None:
        return exact(layer.kernel)
    kernel = _dequantized(layer)
    if layer.lora_enabled:
        factors = exact(layer.lora_kernel_a) @ exact(layer.lora_kernel_b)
        kernel = kernel + layer.lora_alpha / layer.lora_rank * factors
    return kernel


def _dequantized(layer):
    kernel, scale = layer._kernel, exact(layer.kernel_scale)
    if layer.quantization_mode == "float8":  # stored in float32, and rounded in every call
        return exact(
            keras.quantizers.quantize_and_dequantize(
                ops.convert_to_tensor(kernel),
                ops.convert_to_tensor(layer.kernel_scale),
                "float8_e4m3fn",
                layer.compute_dtype,
            )
        )
    if layer.quantization_mode == "int4":
        kernel = keras.quantizers.unpack_int4(kernel, layer.units, axis=-1)
    kernel = exact(kernel)
    if not hasattr(layer, "kernel_zero"):
        return kernel / scale
    groups = exact(layer.g_idx).astype(int)  # int4 with a scale for each group of rows
    return (kernel - exact(layer.kernel_zero)[groups]) * scale[groups]
