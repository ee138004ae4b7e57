"""Puts what multiplies and shifts channels into the kernel and bias beside it.

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


def take_over(layer, other):
    """Gives a layer copies of the weights of another of the same structure.

    Memory of their own, too: JAX frees what a step was given, and with it what shares it.
    """
    layer.set_weights([np.array(weight) for weight in other.get_weights()])
