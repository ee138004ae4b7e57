"""The ConvNeXt block (Liu et al. 2022, "A ConvNet for the 2020s"), as CabViT-H uses it."""

import keras

from keras_cabvit.inference.folding import take_over
from keras_cabvit.layers.channel_mixing import ChannelMixing
from keras_cabvit.layers.depthwise_rows import depthwise_by_rows


@keras.saving.register_keras_serializable(package="keras_cabvit")
class ConvNeXtBlock(keras.layers.Layer):
    """Depthwise 7x7 convolution and channel mixing, as one residual branch.

    The first two stages of CabViT-H are made of it.

    Args:
        layer_scale_init: float, start of the LayerScale factors, or None for no LayerScale.
            Defaults to 1e-6.
        mlp_ratio: float, hidden channels a channel. Defaults to 4.
        drop_rate: float, dropout after each Dense. Defaults to 0.
        drop_path_rate: float, stochastic depth. Defaults to 0.
        fused: whether its channel mixing is fused, for inference. Defaults to False.
        kernel_rows: integer, at most so many rows of a large depthwise kernel are computed at a
            time, which is faster in TFLite (`depthwise_by_rows`). Defaults to None: all at once.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Input and output: a feature map (batch, height, width, channels).

    Example:
        >>> tuple(keras_cabvit.layers.ConvNeXtBlock()(np.ones((1, 8, 8, 16), "float32")).shape)
        (1, 8, 8, 16)
    """

    def __init__(
        self,
        layer_scale_init=1e-6,
        mlp_ratio=4.0,
        drop_rate=0.0,
        drop_path_rate=0.0,
        fused=False,
        kernel_rows=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.layer_scale_init = layer_scale_init
        self.mlp_ratio = mlp_ratio
        self.drop_rate = drop_rate
        self.drop_path_rate = drop_path_rate
        self.fused = fused
        self.kernel_rows = kernel_rows
        self.depthwise = keras.layers.DepthwiseConv2D(
            7,
            padding="same",  # stride 1 and an odd kernel: the same as PyTorch's padding=3
            depthwise_initializer=keras.initializers.RandomNormal(stddev=0.02),
            data_format="channels_last",
            dtype=self.dtype_policy,
        )
        self.channel_mixing = ChannelMixing(
            mlp_ratio=mlp_ratio,
            epsilon=1e-6,
            layer_scale_init=layer_scale_init,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
            fused=fused,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        """Creates the weights for inputs (batch, height, width, channels)."""
        self.depthwise.build(input_shape)
        self.channel_mixing.build(input_shape)

    def call(self, inputs, training=None):
        """Returns the inputs plus the branch."""
        if self.kernel_rows is None:
            x = self.depthwise(inputs)
        else:
            x = depthwise_by_rows(self.depthwise, inputs, self.kernel_rows)
        return self.channel_mixing(x, residual=inputs, training=training)

    def fuse_from(self, layer):
        """Takes over the weights of a block that is not fused."""
        take_over(self.depthwise, layer.depthwise)
        self.channel_mixing.fuse_from(layer.channel_mixing)

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
            "fused": self.fused,
            "kernel_rows": self.kernel_rows,
        }
