"""Operations for which some backends have a faster or leaner way than plain `keras.ops`.

`plain` defines them; `on_jax`, `on_tensorflow` and `on_torch` compute the same results in a way
that suits their backend. Only this module chooses between them, and only this module decides
whether a layer passed to an operation may be bypassed: its weights read instead of the layer
called.
"""

import contextlib
import contextvars

import keras

from keras_cabvit.ops import plain
from keras_cabvit.ops.plain import activate, attention_maps
from keras_cabvit.ops.precision import at_least_single, is_half

_BACKEND = keras.backend.backend()
if _BACKEND == "jax":
    from keras_cabvit.ops import on_jax
elif _BACKEND == "tensorflow":
    from keras_cabvit.ops import on_tensorflow
elif _BACKEND == "torch":
    from keras_cabvit.ops import on_torch

__all__ = [
    "activate",
    "at_least_single",
    "attend",
    "attention_maps",
    "definitions",
    "dense",
    "is_half",
    "mlp",
    "pointwise",
]

_implementation = contextvars.ContextVar("implementation", default=_BACKEND)


@contextlib.contextmanager
def definitions():
    """Uses the definitions in `plain` for everything that the `with` block runs or traces."""
    token = _implementation.set("plain")
    try:
        yield
    finally:
        _implementation.reset(token)


def attend(query, key, value, bias=None, dropout=None, training=None):
    """Softmax attention.

    On JAX a training step stores no attention maps. On PyTorch there are none at all, unless the
    bias differs between tokens.

    Args:
        query: tensor (batch, heads, tokens, head_dim), already scaled.
        key: tensor (batch, heads, sources, head_dim).
        value: tensor of the same shape.
        bias: tensor (heads, tokens or 1, sources), added to the logits; or None.
        dropout: Keras layer for the attention maps, or None.
        training: whether this is a training step.

    Returns:
        A tensor (batch, heads, tokens, head_dim).
    """
    implementation = _implementation.get()
    dropped = training and _drops(dropout)
    if implementation == "jax" and training and not dropped:
        return on_jax.attend(query, key, value, bias)
    if implementation == "torch" and not dropped and (bias is None or bias.shape[1] == 1):
        return on_torch.attend(query, key, value, bias)
    return plain.attend(query, key, value, bias, dropout, training)


def dense(layer, x, residual=None):
    """A dense layer, plus a residual.

    Args:
        layer: `keras.layers.Dense`.
        x: tensor (..., channels in).
        residual: tensor (..., channels out), or None.

    Returns:
        A tensor (..., channels out).
    """
    if _implementation.get() == "tensorflow":
        return on_tensorflow.dense(layer, x, residual)
    return plain.dense(layer, x, residual)


def mlp(expand, project, x, residual=None, dropout=None, training=None):
    """Dense, exact GELU, Dense, plus a residual.

    On JAX a training step stores no hidden activations. On TensorFlow the hidden activations of a
    large feature map are never in memory all at once.

    Args:
        expand: `keras.layers.Dense` to the hidden channels.
        project: `keras.layers.Dense` from them.
        x: tensor (..., channels in).
        residual: tensor (..., channels out), or None.
        dropout: Keras layer for the output of each Dense, or None.
        training: whether this is a training step.

    Returns:
        A tensor (..., channels out).
    """
    implementation = _implementation.get()
    if (
        implementation == "jax"
        and training
        and not _drops(dropout)
        and _may_be_bypassed(expand)
        and _may_be_bypassed(project)
    ):
        weights = (weight for layer in (expand, project) for weight in (layer.kernel, layer.bias))
        x = on_jax.mlp(x, *(keras.ops.cast(weight, x.dtype) for weight in weights))
        return x if residual is None else x + residual
    if implementation == "tensorflow":
        return on_tensorflow.mlp(expand, project, x, residual, dropout, training)
    return plain.mlp(expand, project, x, residual, dropout, training)


def pointwise(convolution, x, activation):
    """A 1x1 convolution of stride 1 with a bias, and its activation.

    Args:
        convolution: `keras.layers.Conv2D` without an activation of its own.
        x: feature map (batch, height, width, channels in).
        activation: function applied to the output.

    Returns:
        A feature map (batch, height, width, channels out).
    """
    if _implementation.get() == "tensorflow" and _may_be_bypassed(convolution):
        return on_tensorflow.pointwise(convolution, x, activation)
    return plain.pointwise(convolution, x, activation)


def _drops(dropout):
    return dropout is not None and dropout.rate > 0


def _may_be_bypassed(layer):
    """Returns whether a layer computes nothing but a product with its kernel, plus its bias."""
    return not layer.lora_enabled and layer.quantization_mode is None
