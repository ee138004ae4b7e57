"""Layers in the form that TensorFlow computes with the fewest and fastest operations."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_cabvit.inference import (
    FusedChannelMixing,
    FusedConvolutions,
    FusedCrossBlockAttention,
    FusedLayerNormalization,
)
from keras_cabvit.inference.adapted_layers import exact_kernel
from keras_cabvit.inference.folding import assign_product, exact, folded_after
from keras_cabvit.inference.fusing import Forms
from keras_cabvit.layers import (
    ChannelMixing,
    ConvolutionalStem,
    CrossBlockAttention,
    PatchMerging,
)
from keras_cabvit.ops import activate, mlp

_HALF_ROOT = 0.5**0.5


class ErfcConvolutions(FusedConvolutions):
    """`FusedConvolutions` with exact GELUs of two operations instead of four.

    TensorFlow fuses a GELU with a product of rows, not with a convolution. With z = -x / sqrt(2),
    the GELU of x, x / 2 * erfc(-x / sqrt(2)), is -z * erfc(z) / sqrt(2): both constants are folded
    into kernels, the first into that of the convolution and the second into that of the next one.

    Args:
        convolutions, **kwargs: as in `FusedConvolutions`.
    """

    def __init__(self, convolutions: Any, **kwargs: Any) -> None:
        super().__init__(convolutions, **kwargs)
        self._scaled = [
            each.activation is keras.activations.gelu and not each.is_pointwise
            for each in self.convolutions[:-1]
        ] + [False]

    def fold(self, layer: Any) -> None:
        """Folds the constants of the GELUs into the kernels, which are already the layer's."""
        for index, scaled in enumerate(self._scaled):
            if scaled:
                own, following = (each.convolution for each in self.convolutions[index : index + 2])
                assign_product(own, -_HALF_ROOT * exact(own.kernel), -_HALF_ROOT * exact(own.bias))
                following.kernel.assign(-_HALF_ROOT * exact(following.kernel))

    def call(self, inputs: Any) -> Any:
        """Returns the last convolution's feature map."""
        x = inputs
        for each, scaled in zip(self.convolutions, self._scaled, strict=True):
            x = activate(_times_erfc, each.convolution(x)) if scaled else each(x)
        return x


def _times_erfc(x: Any) -> Any:
    import tensorflow as tf

    return x * tf.math.erfc(x)


class HeadDense(keras.layers.Layer):
    """A dense layer whose output is split into heads, as one product per head.

    TensorFlow would otherwise transpose the output.

    Args:
        num_heads: integer, the number of heads, a divisor of the channels.
        use_bias: whether a bias is added.
        **kwargs: `name` and the like, for `keras.layers.Layer`.

    Input: tokens (batch, tokens, channels).
    Output: a tensor (batch, num_heads, tokens, channels / num_heads).
    """

    def __init__(self, num_heads: int, use_bias: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.use_bias = use_bias

    def build(self, input_shape: Any) -> None:
        """Creates the weights for tokens (batch, tokens, channels)."""
        channels = input_shape[-1]
        head_dim = channels // self.num_heads
        self.kernel = self.add_weight((self.num_heads, channels, head_dim), name="kernel")
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight((self.num_heads, 1, head_dim), "zeros", name="bias")

    def assign(self, kernel: Any, bias: Any) -> None:
        """Assigns arrays: a kernel (channels, channels), and the bias (channels,) if it has one."""
        heads = kernel.reshape(len(kernel), self.num_heads, -1)
        self.kernel.assign(heads.transpose(1, 0, 2))
        if self.bias is not None:
            self.bias.assign(bias.reshape(self.bias.shape))

    def call(self, inputs: Any) -> Any:
        """Returns the product of the tokens with the kernel of each head."""
        products = ops.matmul(inputs[:, None], ops.expand_dims(self.kernel, 0))
        return products if self.bias is None else products + self.bias


class HeadwiseAttention(FusedCrossBlockAttention):
    """`FusedCrossBlockAttention` with one product per head and fewer biases.

    A bias of the keys adds the same to all logits of a query, which a softmax ignores. The
    attention maps sum to 1, so a bias of the values is one of the output, and is folded into the
    projection's.

    Args:
        norm, projection, digest_norm, num_heads, **kwargs: as in `FusedCrossBlockAttention`.
        query, key, value: dense layers, which `HeadDense` replaces.
    """

    def __init__(
        self,
        norm: Any,
        query: Any,
        key: Any,
        value: Any,
        projection: Any,
        digest_norm: Any,
        num_heads: int,
        **kwargs: Any,
    ) -> None:
        query, key, value = (
            HeadDense(num_heads, each is query, name=each.name, dtype=each.dtype_policy)
            for each in (query, key, value)
        )
        super().__init__(
            norm, query, key, value, projection, digest_norm, num_heads=num_heads, **kwargs
        )

    def fold(self, layer: Any) -> None:
        """Copies the trainable layer's weights, folded."""
        super().fold(layer)
        _, bias = np.split(exact(layer.key_value.bias), 2)
        shift = bias @ exact(self.projection.kernel)
        self.projection.bias.assign(exact(self.projection.bias) + shift)

    def assign_heads(self, part: Any, kernel: Any, bias: Any) -> None:
        """Assigns the kernel (channels, channels) and bias of queries, keys or values."""
        part.assign(kernel, bias)

    def heads(self, part: Any, x: Any) -> Any:
        """Returns queries, keys or values of tokens, (batch, heads, tokens, head_dim)."""
        return part(x)


class WholeChannelMixing(FusedChannelMixing):
    """`FusedChannelMixing` that computes all rows of a map at once.

    In parts, as `keras_cabvit.ops.mlp` computes a large map, the products of a single image would
    be too small for two threads.

    Args:
        norms, expand, project, **kwargs: as in `FusedChannelMixing`.
    """

    def call(self, inputs: Any, residual: Any = None) -> Any:
        """Returns the branch, or its sum with the residual."""
        rows = (-1, inputs.shape[-1])
        x = ops.reshape(self.normalized(inputs), rows)
        residual = None if residual is None else ops.reshape(residual, rows)
        outputs = mlp(self.expand, self.project, x, residual)
        return ops.reshape(outputs, (-1, *inputs.shape[1:]))


class BatchNormLayerNormalization(FusedLayerNormalization):
    """`FusedLayerNormalization` as operations that TensorFlow fuses into oneDNN's LayerNorm.

    TensorFlow's graph optimiser knows one form (`FindMklLayerNorm` in its remapper.cc), that of
    Keras 2: a batch normalisation in which every row is a channel, then scale and shift. The fused
    operation reads and writes bfloat16 and computes in float32, and so does the batch normalisation
    where oneDNN is switched off. Without scale or shift TensorFlow fuses nothing, and this is
    `FusedLayerNormalization`.

    Args:
        **kwargs: arguments of `FusedLayerNormalization`.
    """

    def call(self, inputs: Any, token_scale: Any = None) -> Any:
        """Returns the inputs with mean 0 and variance 1, times `gamma`, plus `beta`."""
        import tensorflow as tf

        if self.gamma is None or self.beta is None:
            return super().call(inputs, token_scale)
        x = inputs if token_scale is None else inputs * ops.cast(token_scale, inputs.dtype)
        channels = x.shape[-1]
        rows = tf.reshape(x, (-1, channels))
        shape = tf.shape(rows)
        none = tf.zeros((0,))
        normalized, *_ = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(rows, (1, shape[0], channels, 1)),
            scale=tf.fill(shape[:1], 1.0),
            offset=tf.fill(shape[:1], 0.0),
            mean=none,
            variance=none,
            epsilon=self.epsilon,
            data_format="NCHW",
            is_training=True,  # by the statistics of these rows
        )
        gamma, beta = (tf.cast(weight, rows.dtype) for weight in (self.gamma, self.beta))
        outputs = tf.reshape(normalized, shape) * gamma + beta
        return ops.reshape(outputs, (-1, *inputs.shape[1:]))


class ScaledChannelMixing(FusedChannelMixing):
    """`FusedChannelMixing` whose last LayerNorm keeps its scale and shift, which cost nothing.

    Args:
        norms, expand, project, **kwargs: as in `FusedChannelMixing`.
    """

    @classmethod
    def from_trained(cls, layer: keras.layers.Layer, forms: Forms) -> "ScaledChannelMixing":
        """Creates the inference form of a `ChannelMixing`, without weights yet.

        Args:
            layer: `ChannelMixing`.
            forms: `keras_cabvit.inference.fusing.Forms`, which makes the parts.
        """
        return cls(
            [forms(norm) for norm in layer.norms],
            forms.product(layer.expand),
            forms.product(layer.project),
            **forms.options(layer),
        )

    def fold(self, layer: Any) -> None:
        """Copies the trainable layer's weights, folded."""
        assign_product(self.expand, exact_kernel(layer.expand), exact(layer.expand.bias))
        kernel, bias = exact_kernel(layer.project), exact(layer.project.bias)
        if layer.layer_scale is not None:
            kernel, bias = folded_after(kernel, bias, exact(layer.layer_scale.gamma))
        assign_product(self.project, kernel, bias)


class WholeScaledChannelMixing(ScaledChannelMixing, WholeChannelMixing):
    """`WholeChannelMixing` whose last LayerNorm keeps its scale and shift.

    Args:
        norms, expand, project, **kwargs: as in `FusedChannelMixing`.
    """


# In addition to those of `keras_cabvit.inference`.
FLOAT32_CLASSES: dict[type, type] = {
    ChannelMixing: WholeChannelMixing,
    ConvolutionalStem: ErfcConvolutions,
    PatchMerging: ErfcConvolutions,
}
# Frozen weights are for oneDNN; without it, products per head and this norm are slower.
FROZEN_FLOAT32_CLASSES: dict[type, type] = {
    **FLOAT32_CLASSES,
    ChannelMixing: WholeScaledChannelMixing,
    CrossBlockAttention: HeadwiseAttention,
    keras.layers.LayerNormalization: BatchNormLayerNormalization,
}
BFLOAT16_CLASSES: dict[type, type] = {
    ChannelMixing: ScaledChannelMixing,
    keras.layers.LayerNormalization: BatchNormLayerNormalization,
}
