"""A convolution and the BatchNorm behind it, which most convolutions of the model are."""

import keras
import numpy as np
from keras import ops

from keras_cabvit.inference.folding import exact, folded_behind
from keras_cabvit.ops.on_tensorflow import as_rows, from_rows, multiplies_rows

# PyTorch's defaults, in Keras' sense of momentum.
BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9


@keras.saving.register_keras_serializable(package="keras_cabvit")
class ConvolutionNorm(keras.layers.Layer):
    """A convolution without bias, padded symmetrically, then BatchNormalization.

    Keras' own padding="same" pads a strided convolution more on the right than on the left, and
    PyTorch, in which the published model was trained, pads both sides alike.

    Args:
        filters: integer, output channels, or None for a depthwise convolution.
        kernel_size: odd integer, height and width of the window.
        strides: integer. Defaults to 1.
        activation: function of what comes out, or its name in Keras. Defaults to None.
        kernel_initializer: None means normal(0.02), the default.
        fused: whether this is the form for inference, a convolution with a bias into which
            BatchNorm is folded. Defaults to False.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Input: a feature map (batch, height, width, channels).
    Output: (batch, ceil(height / strides), ceil(width / strides), filters or channels).

    Raises:
        ValueError: `kernel_size` is even.

    Example:
        >>> layer = keras_cabvit.layers.ConvolutionNorm(filters=8, kernel_size=3, strides=2)
        >>> tuple(layer(np.ones((1, 14, 14, 4), "float32")).shape)
        (1, 7, 7, 8)
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        activation=None,
        kernel_initializer=None,
        fused=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if kernel_size % 2 == 0:
            raise ValueError(
                "`kernel_size` must be odd, so that the padding is the same on both sides. "
                f"Received: kernel_size={kernel_size}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.activation = keras.activations.get(activation)
        self.fused = fused
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.RandomNormal(stddev=0.02)
        )
        self.padding = keras.layers.ZeroPadding2D(
            kernel_size // 2, data_format="channels_last", dtype=self.dtype_policy
        )
        options = {
            "kernel_size": kernel_size,
            "strides": strides,
            "padding": "valid" if self._pads_explicitly() else "same",
            "use_bias": fused,
            "data_format": "channels_last",
            "dtype": self.dtype_policy,
        }
        if filters is None:
            self.convolution = keras.layers.DepthwiseConv2D(
                depthwise_initializer=self.kernel_initializer, **options
            )
        else:
            self.convolution = keras.layers.Conv2D(
                filters, kernel_initializer=self.kernel_initializer, **options
            )
        if not fused:
            self.norm = keras.layers.BatchNormalization(
                momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, dtype=self.dtype_policy
            )

    def _pads_explicitly(self):
        return self.strides > 1 and self.kernel_size > 1

    def build(self, input_shape):
        """Creates the weights for inputs (batch, height, width, channels)."""
        self.padding.build(input_shape)
        if self._pads_explicitly():
            input_shape = self.padding.compute_output_shape(input_shape)
        self.convolution.build(input_shape)
        if not self.fused:
            self.norm.build(self.convolution.compute_output_shape(input_shape))

    def call(self, inputs, training=None):
        """Returns the normalised feature map, after the activation."""
        if self._is_product() and multiplies_rows():
            return from_rows(self.activation(self._product(as_rows(inputs))), inputs)
        x = self.padding(inputs) if self._pads_explicitly() else inputs
        x = self.convolution(x)
        if not self.fused:
            x = self.norm(x, training=training)
        elif self.compute_dtype == "bfloat16" and self.activation is not keras.activations.linear:
            # The erfc of a GELU takes TensorFlow four times as long in bfloat16 as in float32.
            return ops.cast(self.activation(ops.cast(x, "float32")), "bfloat16")
        return self.activation(x)

    def _is_product(self):
        return self.fused and self.filters is not None and self.kernel_size == self.strides == 1

    def _product(self, rows):
        """Returns what a 1x1 convolution makes of rows (rows, channels)."""
        kernel, bias = self.convolution.kernel, self.convolution.bias
        kernel = ops.reshape(ops.cast(kernel, rows.dtype), kernel.shape[2:])
        # Which Keras makes a BiasAdd of, as TensorFlow wants it before a GELU; of `+` it does not.
        return ops.add(ops.matmul(rows, kernel), ops.cast(bias, rows.dtype))

    def fuse_from(self, layer):
        """Takes over the weights of a layer that is not fused, BatchNorm in the convolution."""
        norm = layer.norm
        scale = exact(norm.gamma) / np.sqrt(exact(norm.moving_variance) + norm.epsilon)
        shift = exact(norm.beta) - exact(norm.moving_mean) * scale
        if self.filters is None:
            # A depthwise kernel is (height, width, channels, 1).
            kernel = exact(layer.convolution.kernel) * scale[:, None]
            self.convolution.set_weights([kernel, shift])
        else:
            kernel = exact(layer.convolution.kernel)
            self.convolution.set_weights(folded_behind(kernel, 0, scale, shift))

    def compute_output_shape(self, input_shape):
        """Returns (batch, ceil(height / strides), ceil(width / strides), channels out)."""
        if self._pads_explicitly():
            input_shape = self.padding.compute_output_shape(input_shape)
        return self.convolution.compute_output_shape(input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "fused": self.fused,
        }
