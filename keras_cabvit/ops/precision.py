"""What is computed in 16 bits, too few for sums and exponentials, and for TFLite."""


def computes_in_half(layer):
    """Returns whether a Keras layer computes in float16 or bfloat16."""
    return layer.compute_dtype in ("float16", "bfloat16")
