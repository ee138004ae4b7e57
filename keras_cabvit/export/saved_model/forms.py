"""Layers in the form from which TensorFlow makes one operation of oneDNN each."""

from typing import Any

import keras
from keras import ops

from keras_cabvit.inference import FusedChannelMixing, FusedLayerNormalization
from keras_cabvit.inference.folding import assign_product, exact, folded_after
from keras_cabvit.layers import ChannelMixing


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
    def from_trained(cls, layer: keras.layers.Layer, form: Any) -> "ScaledChannelMixing":
        """Creates the inference form of a `ChannelMixing`, without weights yet.

        Args:
            layer: `ChannelMixing`.
            form: function from a layer to its inference form, see
                `keras_cabvit.inference.fusing.Forms`.
        """
        return cls(
            [form(norm) for norm in layer.norms],
            form.product(layer.expand),
            form.product(layer.project),
            **form.options(layer),
        )

    def fold(self, layer: Any) -> None:
        """Copies the trainable layer's weights, folded."""
        assign_product(self.expand, exact(layer.expand.kernel), exact(layer.expand.bias))
        kernel, bias = exact(layer.project.kernel), exact(layer.project.bias)
        if layer.layer_scale is not None:
            kernel, bias = folded_after(kernel, bias, exact(layer.layer_scale.gamma))
        assign_product(self.project, kernel, bias)


# In addition to those of `keras_cabvit.inference`, in bfloat16.
BFLOAT16_CLASSES = {
    ChannelMixing: ScaledChannelMixing,
    keras.layers.LayerNormalization: BatchNormLayerNormalization,
}
