"""A convolution followed by BatchNorm, the form of most convolutions in the model."""

import keras

from keras_cabvit.layers.leaf import Leaf
from keras_cabvit.layers.numpy_arguments import accepts_numpy
from keras_cabvit.layers.padded_convolution import PaddedConv2D, PaddedDepthwiseConv2D

# PyTorch's defaults, with momentum as Keras defines it.
BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9


@keras.saving.register_keras_serializable(package="keras_cabvit")
class ConvolutionNorm(Leaf):
    """A convolution without bias, padded symmetrically, then BatchNormalization.

    Args:
        filters: integer, output channels, or None for a depthwise convolution.
        kernel_size: odd integer, height and width of the window.
        strides: integer. Defaults to 1.
        activation: function applied to the output, or its name in Keras. Defaults to None.
        kernel_initializer: initializer of the kernel. Defaults to None: normal(0.02).
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

    @accepts_numpy
    def __init__(
        self, filters, kernel_size, strides=1, activation=None, kernel_initializer=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.RandomNormal(stddev=0.02)
        )
        options = {
            "kernel_size": kernel_size,
            "strides": strides,
            "use_bias": False,
            "name": "convolution",
            "dtype": self.dtype_policy,
        }
        if filters is None:
            self.convolution = PaddedDepthwiseConv2D(
                depthwise_initializer=self.kernel_initializer, **options
            )
        else:
            self.convolution = PaddedConv2D(
                filters, kernel_initializer=self.kernel_initializer, **options
            )
        self.norm = keras.layers.BatchNormalization(
            momentum=BATCH_NORM_MOMENTUM,
            epsilon=BATCH_NORM_EPSILON,
            name="norm",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        """Creates the weights for inputs (batch, height, width, channels)."""
        self.convolution.build(input_shape)
        self.norm.build(self.compute_output_shape(input_shape))

    def call(self, inputs, training=None):
        """Returns the normalised feature map, after the activation."""
        return self.activation(self.norm(self.convolution(inputs), training=training))

    def compute_output_shape(self, input_shape):
        """Returns (batch, ceil(height / strides), ceil(width / strides), channels out)."""
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
        }
