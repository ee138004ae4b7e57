"""The stem of CabViT-H: from pixels to the first feature map."""

import keras

from keras_cabvit.layers.convolution_norm import ConvolutionNorm
from keras_cabvit.layers.leaf import Leaf
from keras_cabvit.layers.numpy_arguments import accepts_numpy


@keras.saving.register_keras_serializable(package="keras_cabvit")
class ConvolutionalStem(Leaf):
    """Two 3x3 convolutions of stride 2, each with BatchNorm, and a GELU between them.

    Args:
        filters: even integer, output channels; the first convolution has half as many.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Input: images (batch, height, width, 3).
    Output: a feature map (batch, ceil(height / 4), ceil(width / 4), filters).

    Raises:
        ValueError: `filters` is odd.

    Example:
        >>> stem = keras_cabvit.layers.ConvolutionalStem(filters=64)
        >>> tuple(stem(np.ones((1, 32, 64, 3), "float32")).shape)
        (1, 8, 16, 64)
    """

    @accepts_numpy
    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        if filters % 2:
            raise ValueError(
                "`filters` must be even: the first convolution has half as many. "
                f"Received: filters={filters}"
            )
        self.filters = filters
        options = {"strides": 2, "dtype": self.dtype_policy}
        self.convolution_1 = ConvolutionNorm(
            filters // 2, 3, activation="gelu", name="convolution_1", **options
        )
        self.convolution_2 = ConvolutionNorm(filters, 3, name="convolution_2", **options)

    def convolutions(self):
        """Returns the convolutions in order."""
        return self.convolution_1, self.convolution_2

    def build(self, input_shape):
        """Creates the weights for inputs (batch, height, width, channels)."""
        self.convolution_1.build(input_shape)
        self.convolution_2.build(self.convolution_1.compute_output_shape(input_shape))

    def call(self, inputs, training=None):
        """Returns the first feature map."""
        x = self.convolution_1(inputs, training=training)
        return self.convolution_2(x, training=training)

    def compute_output_shape(self, input_shape):
        """Returns (batch, ceil(height / 4), ceil(width / 4), filters)."""
        return self.convolution_2.compute_output_shape(
            self.convolution_1.compute_output_shape(input_shape)
        )

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "filters": self.filters}
