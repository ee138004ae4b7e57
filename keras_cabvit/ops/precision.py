"""Sixteen-bit types, too coarse for sums and exponentials."""

import keras


def is_half(dtype):
    """Returns whether a type is float16 or bfloat16.

    Args:
        dtype: dtype of a tensor or a layer, or its name.
    """
    return keras.backend.standardize_dtype(dtype) in ("float16", "bfloat16")


def at_least_single(dtype):
    """Returns the type in which to compute sums and exponentials of values of `dtype`."""
    return "float32" if is_half(dtype) else keras.backend.standardize_dtype(dtype)
