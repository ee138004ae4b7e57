"""Types of 16 bits: too few for sums and exponentials."""

import keras


def is_half(dtype):
    """Returns whether a type is float16 or bfloat16.

    Args:
        dtype: of a tensor or a layer, or its name.
    """
    return keras.backend.standardize_dtype(dtype) in ("float16", "bfloat16")


def at_least_single(dtype):
    """Returns the type in which sums and exponentials of values of a type are computed."""
    return "float32" if is_half(dtype) else keras.backend.standardize_dtype(dtype)
