"""The step between two stages: half the height and width, more channels."""

import keras

from keras_cabvit.layers.convolution_norm import ConvolutionNorm
from keras_cabvit.layers.leaf import Leaf
from keras_cabvit.layers.numpy_arguments import accepts_numpy


@keras.saving.register_keras_serializable(package="keras_cabvit")
class PatchMerging(Leaf):
    """1x1 convolution, depthwise 3x3 of stride 2, 1x1 convolution, each with BatchNorm.

    A GELU follows each but the last.

    Args:
        filters: integer, output channels.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Input: a feature map (batch, height, width, channels).
    Output: a feature map (batch, ceil(height / 2), ceil(width / 2), filters).

    Example:
        >>> tuple(keras_cabvit.layers.PatchMerging(32)(np.ones((1, 14, 14, 16), "float32")).shape)
        (1, 7, 7, 32)
    """

    @accepts_numpy
    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        options = {"dtype": self.dtype_policy}
        # Exact, like all GELUs of the model: Keras' activation is exact, `keras.ops.gelu` is not.
        self.expand = ConvolutionNorm(filters, 1, activation="gelu", name="expand", **options)
        self.depthwise = ConvolutionNorm(
            None, 3, strides=2, activation="gelu", name="depthwise", **options
        )
        self.project = ConvolutionNorm(filters, 1, name="project", **options)

    def convolutions(self):
        """Returns the convolutions in order."""
        return self.expand, self.depthwise, self.project

    def build(self, input_shape):
        """Creates the weights for inputs (batch, height, width, channels)."""
        self.expand.build(input_shape)
        expanded_shape = self.expand.compute_output_shape(input_shape)
        self.depthwise.build(expanded_shape)
        self.project.build(self.depthwise.compute_output_shape(expanded_shape))

    def call(self, inputs, training=None):
        """Returns the smaller feature map."""
        x = self.expand(inputs, training=training)
        x = self.depthwise(x, training=training)
        return self.project(x, training=training)

    def compute_output_shape(self, input_shape):
        """Returns (batch, ceil(height / 2), ceil(width / 2), filters)."""
        expanded_shape = self.expand.compute_output_shape(input_shape)
        return self.depthwise.compute_output_shape(expanded_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "filters": self.filters}
