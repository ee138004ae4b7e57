"""Folds per-channel scales and shifts into the adjacent kernel and bias.

All of it is computed in float64, so that the folded weights are the nearest float32 ones.
"""

import numpy as np
from keras import ops


def exact(variable):
    """Returns a variable's value as a float64 numpy array."""
    return np.asarray(ops.convert_to_numpy(variable), "float64")


def folded_behind(kernel, bias, scale, shift=0.0):
    """Returns kernel and bias of `(x * kernel + bias) * scale + shift`.

    Args:
        kernel: array (..., channels out).
        bias: array (channels out,), or 0.
        scale: array (channels out,), or a number.
        shift: the same.
    """
    return kernel * scale, bias * scale + shift


def folded_before(kernel, bias, scale, shift):
    """Returns kernel and bias of `(x * scale + shift) * kernel + bias`.

    Args:
        kernel: array (channels in, channels out), of a dense layer.
        bias: array (channels out,).
        scale: array (channels in,).
        shift: array (channels in,).
    """
    return kernel * scale[:, None], bias + shift @ kernel


def assign_product(layer, kernel, bias):
    """Gives a dense layer or a convolution a kernel and a bias.

    Args:
        layer: built, with a bias.
        kernel: array of the kernel's shape.
        bias: array (channels out,).
    """
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)


def copy_weights(layer, other):
    """Gives a layer copies of the weights of another of the same structure, LoRA merged.

    Memory of their own, too: JAX frees what a step was given, and with it what shares it.
    """
    if getattr(other, "lora_enabled", False):
        name = "kernel" if hasattr(other, "kernel") else "embeddings"
        getattr(layer, name).assign(exact(getattr(other, name)))
        if getattr(other, "bias", None) is not None:
            layer.bias.assign(exact(other.bias))
        return
    layer.set_weights([np.array(weight) for weight in other.get_weights()])
