"""The inference forms of `ConvolutionNorm` and of layers that chain several of them."""

import keras
import numpy as np

from keras_cabvit.inference.folding import assign_product, exact, folded_after
from keras_cabvit.layers.composite import Composite
from keras_cabvit.ops import activate, pointwise


@keras.saving.register_keras_serializable(package="keras_cabvit")
class FusedConvolution(Composite):
    """A convolution with BatchNorm folded in, and its activation.

    Args:
        convolution: `PaddedConv2D` or `PaddedDepthwiseConv2D` with a bias.
        activation: function applied to the output, or its name in Keras. Defaults to None.
        **kwargs: `name` and the like, for `keras.layers.Layer`.

    Input: a feature map (batch, height, width, channels).
    Output: a feature map.
    """

    part_names = ("convolution",)

    def __init__(self, convolution, activation=None, **kwargs):
        super().__init__({"convolution": convolution}, **kwargs)
        self.activation = keras.activations.get(activation)

    @classmethod
    def from_trained(cls, layer, forms):
        """Creates the inference form of a `ConvolutionNorm`, without weights yet.

        Args:
            layer: `ConvolutionNorm`.
            forms: `fusing.Forms`, which makes the parts.
        """
        return cls(forms.product(layer.convolution), layer.activation, **forms.options(layer))

    def fold(self, layer):
        """Copies the trainable layer's weights, with BatchNorm folded into the convolution."""
        norm, kernel = layer.norm, exact(layer.convolution.kernel)
        scale = exact(norm.gamma) / np.sqrt(exact(norm.moving_variance) + norm.epsilon)
        shift = exact(norm.beta) - exact(norm.moving_mean) * scale
        if layer.filters is None:  # a depthwise kernel is (height, width, channels, 1)
            assign_product(self.convolution, kernel * scale[:, None], shift)
        else:
            assign_product(self.convolution, *folded_after(kernel, 0, scale, shift))

    def build(self, input_shape):
        """Creates the weights for inputs (batch, height, width, channels)."""
        self.convolution.build(input_shape)

    def call(self, inputs):
        """Returns the feature map after the activation."""
        if self.is_pointwise:
            return pointwise(self.convolution, inputs, self.activation)
        return activate(self.activation, self.convolution(inputs))

    @property
    def is_pointwise(self):
        """Whether this is a 1x1 convolution of stride 1, which is a product of rows."""
        one = max(*self.convolution.kernel_size, *self.convolution.strides) == 1
        return one and isinstance(self.convolution, keras.layers.Conv2D)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the convolution's output."""
        return self.convolution.compute_output_shape(input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
        }


@keras.saving.register_keras_serializable(package="keras_cabvit")
class FusedConvolutions(Composite):
    """A chain of convolutions: the stem or patch merging.

    Args:
        convolutions: list of `FusedConvolution`.
        **kwargs: `name` and the like, for `keras.layers.Layer`.

    Input: a feature map (batch, height, width, channels).
    Output: a feature map.
    """

    part_names = list_parts = ("convolutions",)

    def __init__(self, convolutions, **kwargs):
        super().__init__({"convolutions": convolutions}, **kwargs)

    @classmethod
    def from_trained(cls, layer, forms):
        """Creates the inference form of a layer that has `convolutions()`, without weights yet.

        Args:
            layer: `ConvolutionalStem` or `PatchMerging`.
            forms: `fusing.Forms`, which makes the parts.
        """
        return cls([forms(each) for each in layer.convolutions()], **forms.options(layer))

    def build(self, input_shape):
        """Creates the weights for inputs (batch, height, width, channels)."""
        for convolution in self.convolutions:
            convolution.build(input_shape)
            input_shape = convolution.compute_output_shape(input_shape)

    def call(self, inputs):
        """Returns the last convolution's feature map."""
        for convolution in self.convolutions:
            inputs = convolution(inputs)
        return inputs

    def compute_output_shape(self, input_shape):
        """Returns the shape of the last convolution's output."""
        for convolution in self.convolutions:
            input_shape = convolution.compute_output_shape(input_shape)
        return input_shape
