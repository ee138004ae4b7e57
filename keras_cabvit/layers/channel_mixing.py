"""The MLP over channels that ends every block."""

import keras

from keras_cabvit.layers.drop_path import DropPath
from keras_cabvit.layers.layer_scale import LayerScale
from keras_cabvit.layers.leaf import Leaf
from keras_cabvit.layers.numpy_arguments import accepts_numpy
from keras_cabvit.layers.quantized_parts import dense_part, quantized_parts
from keras_cabvit.ops import mlp


@keras.saving.register_keras_serializable(package="keras_cabvit")
class ChannelMixing(Leaf):
    """LayerNorm, Dense, exact GELU, Dense, LayerScale and stochastic depth: a residual branch.

    Args:
        mlp_ratio: float, MLP hidden width as a multiple of the channel count. Defaults to 4.
        norm_count: integer, the number of LayerNorms at the start, each with its own parameters.
            CabViT-H has 2 (its published code normalises in the block and once more in the MLP).
            Defaults to 1.
        epsilon: float, epsilon of the LayerNorms. Defaults to 1e-5.
        layer_scale_init: float, initial value of the LayerScale factors, or None for no LayerScale.
            Defaults to 1e-6.
        drop_rate: float, rate of the dropout after each Dense. Defaults to 0.
        drop_path_rate: float, stochastic depth rate of the branch. Defaults to 0.
        kernel_initializer: initializer of both Dense kernels. Defaults to None: normal(0.02).
        quantized: dict from `expand` and `project`, where they are quantised, to their dtype
            policies, or to these and their quantisers; the config of a quantised layer contains it.
            Defaults to None.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Call arguments:
        inputs: a tensor (..., channels).
        residual: a tensor of the inputs' shape to which the branch is added, or None, the default.
            A ConvNeXt block adds it to an earlier tensor than a CabViT block does.

    Output: a tensor of the inputs' shape: the branch, or its sum with `residual`.

    Example:
        >>> tuple(keras_cabvit.layers.ChannelMixing()(np.ones((2, 7, 7, 8), "float32")).shape)
        (2, 7, 7, 8)
    """

    @accepts_numpy
    def __init__(
        self,
        mlp_ratio=4.0,
        norm_count=1,
        epsilon=1e-5,
        layer_scale_init=1e-6,
        drop_rate=0.0,
        drop_path_rate=0.0,
        kernel_initializer=None,
        quantized=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if norm_count < 1:
            raise ValueError(f"`norm_count` must be at least 1. Received: norm_count={norm_count}")
        self.mlp_ratio = mlp_ratio
        self.norm_count = norm_count
        self.epsilon = epsilon
        self.layer_scale_init = layer_scale_init
        self.drop_rate = drop_rate
        self.drop_path_rate = drop_path_rate
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.RandomNormal(stddev=0.02)
        )
        self.quantized = quantized or {}
        options = {"dtype": self.dtype_policy}
        self.norms = [
            keras.layers.LayerNormalization(epsilon=epsilon, name=f"norm_{index}", **options)
            for index in range(norm_count)
        ]
        self.dropout = keras.layers.Dropout(drop_rate, name="dropout", **options)
        self.layer_scale = None
        if layer_scale_init is not None:
            self.layer_scale = LayerScale(layer_scale_init, name="layer_scale", **options)
        self.drop_path = DropPath(drop_path_rate, name="drop_path", **options)

    def build(self, inputs_shape, residual_shape=None):
        """Creates the weights for inputs (..., channels)."""
        channels = inputs_shape[-1]
        hidden_shape = (*inputs_shape[:-1], int(channels * self.mlp_ratio))
        self.expand = dense_part(self, "expand", hidden_shape[-1])
        self.project = dense_part(self, "project", channels)
        for norm in self.norms:
            norm.build(inputs_shape)
        self.expand.build(inputs_shape)
        self.dropout.build(hidden_shape)
        self.project.build(hidden_shape)
        if self.layer_scale is not None:
            self.layer_scale.build(inputs_shape)
        self.drop_path.build(inputs_shape)

    def call(self, inputs, residual=None, training=None):
        """Returns the branch, or its sum with the residual."""
        x = inputs
        for norm in self.norms:
            x = norm(x)
        x = mlp(self.expand, self.project, x, dropout=self.dropout, training=training)
        if self.layer_scale is not None:
            x = self.layer_scale(x)
        x = self.drop_path(x, training=training)
        return x if residual is None else residual + x

    def compute_output_shape(self, inputs_shape, residual_shape=None):
        """Returns the inputs' shape."""
        return inputs_shape

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "mlp_ratio": self.mlp_ratio,
            "norm_count": self.norm_count,
            "epsilon": self.epsilon,
            "layer_scale_init": self.layer_scale_init,
            "drop_rate": self.drop_rate,
            "drop_path_rate": self.drop_path_rate,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            **quantized_parts(self, "expand", "project"),
        }
