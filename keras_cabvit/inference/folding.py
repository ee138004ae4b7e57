"""Folds per-channel scales and shifts into the adjacent kernel and bias.

Everything is computed in float64, so that the folded weights are the nearest float32 values.
"""

import numpy as np
from keras import ops


def exact(variable):
    """Returns a variable's value as a float64 numpy array."""
    return np.asarray(ops.convert_to_numpy(variable), "float64")


def folded_after(kernel, bias, scale, shift=0.0):
    """Returns the kernel and bias of `(x * kernel + bias) * scale + shift`.

    Args:
        kernel: array (..., channels out).
        bias: array (channels out,), or 0.
        scale: array (channels out,), or a number.
        shift: array (channels out,), or a number.
    """
    return kernel * scale, bias * scale + shift


def folded_before(kernel, bias, scale, shift):
    """Returns the kernel and bias of `(x * scale + shift) * kernel + bias`.

    Args:
        kernel: array (channels in, channels out), the kernel of a dense layer.
        bias: array (channels out,).
        scale: array (channels in,).
        shift: array (channels in,).
    """
    return kernel * scale[:, None], bias + shift @ kernel


def assign_product(layer, kernel, bias):
    """Assigns the kernel and bias of a dense layer or a convolution.

    Args:
        layer: the layer, built and with a bias.
        kernel: array of the kernel's shape.
        bias: array (channels out,).
    """
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
