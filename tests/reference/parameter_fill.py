"""Parameter values derived from the parameter's name, so that a reference needs no file.

The reference logits were computed by the published PyTorch model with its state dict filled by
`parameter(name, shape)`, on the images of `images(seed, ...)`. Any program that follows the same
rule gets the same model.
"""

import zlib

import numpy as np

# By the last part of the name: the factor of the standard-normal values, and the offset.
_SCALE_AND_SHIFT = {
    "running_mean": (0.1, 0.0),
    "gamma": (0.1, 0.5),  # LayerScale
    "gamma_1": (0.1, 0.5),
    "gamma_2": (0.1, 0.5),
    "s_scale_factors": (0.2, 0.0),  # of both signs: LayerNorm undoes a positive factor
    "attention_biases": (0.5, 0.0),
    "s_token_bias": (0.5, 0.0),
    "cls_token": (0.2, 0.0),
    "pos_embed": (0.2, 0.0),
    "bias": (0.1, 0.0),
}


def parameter(name, shape):
    """Returns the value of the PyTorch parameter `name`, float32."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    normal = rng.standard_normal(shape)
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        value = 0.5 + rng.random(shape)
    elif last in _SCALE_AND_SHIFT:
        scale, shift = _SCALE_AND_SHIFT[last]
        value = shift + scale * normal
    elif last == "weight" and len(shape) == 1:  # of a normalisation
        value = 1 + 0.1 * normal
    else:  # a kernel (outputs, inputs, ...)
        value = normal / np.sqrt(np.prod(shape[1:]))
    return value.astype("float32")


def images(seed, batch, height, width):
    """Returns normalised images, float32, channels last."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.standard_normal((batch, height, width, 3)).astype("float32")
