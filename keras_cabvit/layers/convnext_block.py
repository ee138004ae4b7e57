"""The ConvNeXt block (Liu et al. 2022, "A ConvNet for the 2020s"), as CabViT-H uses it."""

import keras

from keras_cabvit.layers.channel_mixing import ChannelMixing
from keras_cabvit.layers.leaf import Leaf
from keras_cabvit.layers.numpy_arguments import accepts_numpy
from keras_cabvit.layers.padded_convolution import PaddedDepthwiseConv2D
from keras_cabvit.layers.quantized_parts import quantized_parts


@keras.saving.register_keras_serializable(package="keras_cabvit")
class ConvNeXtBlock(Leaf):
    """Depthwise 7x7 convolution and channel mixing, as one residual branch.

    The first two stages of CabViT-H consist of these blocks.

    Args:
        layer_scale_init: float, initial value of the LayerScale factors, or None for no LayerScale.
            Defaults to 1e-6.
        mlp_ratio: float, MLP hidden width as a multiple of the channel count. Defaults to 4.
        drop_rate: float, rate of the dropout after each Dense. Defaults to 0.
        drop_path_rate: float, stochastic depth rate. Defaults to 0.
        quantized: as in `ChannelMixing`. Defaults to None.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Input and output: a feature map (batch, height, width, channels).

    Example:
        >>> tuple(keras_cabvit.layers.ConvNeXtBlock()(np.ones((1, 8, 8, 16), "float32")).shape)
        (1, 8, 8, 16)
    """

    @accepts_numpy
    def __init__(
        self,
        layer_scale_init=1e-6,
        mlp_ratio=4.0,
        drop_rate=0.0,
        drop_path_rate=0.0,
        quantized=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.layer_scale_init = layer_scale_init
        self.mlp_ratio = mlp_ratio
        self.drop_rate = drop_rate
        self.drop_path_rate = drop_path_rate
        self.depthwise = PaddedDepthwiseConv2D(
            7,
            depthwise_initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="depthwise",
            dtype=self.dtype_policy,
        )
        self.channel_mixing = ChannelMixing(
            mlp_ratio=mlp_ratio,
            epsilon=1e-6,
            layer_scale_init=layer_scale_init,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
            quantized=quantized,
            name="channel_mixing",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        """Creates the weights for inputs (batch, height, width, channels)."""
        self.depthwise.build(input_shape)
        self.channel_mixing.build(input_shape)

    def call(self, inputs, training=None):
        """Returns the inputs plus the branch."""
        return self.channel_mixing(self.depthwise(inputs), residual=inputs, training=training)

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "layer_scale_init": self.layer_scale_init,
            "mlp_ratio": self.mlp_ratio,
            "drop_rate": self.drop_rate,
            "drop_path_rate": self.drop_path_rate,
            **quantized_parts(self.channel_mixing, "expand", "project"),
        }
