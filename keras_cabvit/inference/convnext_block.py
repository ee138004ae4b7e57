"""The inference form of `ConvNeXtBlock`."""

import keras

from keras_cabvit.layers.composite import Composite


@keras.saving.register_keras_serializable(package="keras_cabvit")
class FusedConvNeXtBlock(Composite):
    """Depthwise convolution and channel mixing, as one residual branch.

    Args:
        depthwise: depthwise convolution of stride 1.
        channel_mixing: `FusedChannelMixing`.
        **kwargs: `name` and the like, for `keras.layers.Layer`.

    Input and output: a feature map (batch, height, width, channels).
    """

    part_names = ("depthwise", "channel_mixing")

    def __init__(self, depthwise, channel_mixing, **kwargs):
        super().__init__({"depthwise": depthwise, "channel_mixing": channel_mixing}, **kwargs)

    @classmethod
    def from_trained(cls, layer, forms):
        """Creates the inference form of a `ConvNeXtBlock`, without weights yet.

        Args:
            layer: `ConvNeXtBlock`.
            forms: `fusing.Forms`, which makes the parts.
        """
        return cls(forms(layer.depthwise), forms(layer.channel_mixing), **forms.options(layer))

    def build(self, input_shape):
        """Creates the weights for inputs (batch, height, width, channels)."""
        self.depthwise.build(input_shape)
        self.channel_mixing.build(input_shape)

    def call(self, inputs):
        """Returns the inputs plus the branch."""
        return self.channel_mixing(self.depthwise(inputs), residual=inputs)

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape
