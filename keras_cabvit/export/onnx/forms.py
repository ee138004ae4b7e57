"""Layers in the form in which they become one operator of an ONNX file each."""

import math
from typing import Any

import keras
from keras import ops

from keras_cabvit.inference import (
    FusedChannelMixing,
    FusedCrossBlockAttention,
    FusedLayerNormalization,
)
from keras_cabvit.inference.fusing import Forms
from keras_cabvit.layers.heads import split_heads


class OperatorLayerNormalization(FusedLayerNormalization):
    """`FusedLayerNormalization` as operations that `with_layer_normalization` finds in a graph.

    Factors of tokens are multiplied beforehand, because ONNX's operator has one epsilon for all.

    Args:
        **kwargs: arguments of `FusedLayerNormalization`.
    """

    def call(self, inputs: Any, token_scale: Any = None) -> Any:
        """Returns the inputs with mean 0 and variance 1, times `gamma`, plus `beta`."""
        x = inputs if token_scale is None else inputs * token_scale
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        factor = ops.rsqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + self.epsilon)
        # TensorFlow would move the second of two factors here.
        factor = factor if self.gamma is None else factor * self.gamma
        return centred * factor if self.beta is None else centred * factor + self.beta


class MatMulDense(keras.layers.Dense):
    """A dense layer that multiplies an input of any rank by its kernel.

    Keras' own flattens the input to a matrix, with arithmetic on its unknown shape.

    Args:
        **kwargs: arguments of `keras.layers.Dense`.
    """

    @classmethod
    def from_trained(cls, layer: keras.layers.Layer, forms: Forms) -> "MatMulDense":
        """Creates the form of a `keras.layers.Dense`.

        Args:
            layer: `keras.layers.Dense`.
            forms: `keras_cabvit.inference.fusing.Forms`, which copies the layer.
        """
        return forms.copy(layer, cls)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns the product (..., units), plus the bias, after the activation."""
        import tensorflow as tf

        x = tf.matmul(inputs, self.kernel)
        return self.activation(x if self.bias is None else x + self.bias)


class JointKeyValueAttention(FusedCrossBlockAttention):
    """`FusedCrossBlockAttention` that computes keys and values in one product.

    Its heads are separated once: in OpenVINO one block of attention has two operations fewer.

    Args:
        **kwargs: arguments of `FusedCrossBlockAttention`.
    """

    def keys_and_values(self, sources: Any) -> Any:
        """Returns keys and values, (batch, heads, sources, head_dim) each."""
        import tensorflow as tf

        parts = (self.key, self.value)
        kernel = ops.concatenate([each.kernel for each in parts], axis=-1)
        both = tf.matmul(sources, kernel) + ops.concatenate([each.bias for each in parts], axis=-1)
        return ops.split(split_heads(both, 2 * self.num_heads), 2, axis=1)


class TokensChannelMixing(FusedChannelMixing):
    """`FusedChannelMixing` on tokens (batch, tokens, channels), whatever the shape of its input.

    OpenVINO computes the LayerNormalization of tokens in one operation, and that of a feature map,
    (batch, height, width, channels), in five.

    Args:
        **kwargs: arguments of `FusedChannelMixing`.
    """

    def call(self, inputs: Any, residual: Any = None) -> Any:
        """Returns the branch, or its sum with the residual."""
        tokens = ops.reshape(inputs, (-1, math.prod(inputs.shape[1:-1]), inputs.shape[-1]))
        branch = ops.reshape(super().call(tokens), (-1, *inputs.shape[1:]))
        return branch if residual is None else branch + residual
