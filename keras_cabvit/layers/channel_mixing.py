"""The MLP over channels that ends every block."""

import keras
from keras import ops

from keras_cabvit.inference.folding import exact, folded_before, folded_behind, take_over
from keras_cabvit.inference.layer_normalization import FusedLayerNormalization
from keras_cabvit.layers.drop_path import DropPath
from keras_cabvit.layers.layer_scale import LayerScale
from keras_cabvit.ops.on_tensorflow import add_branch_to_rows, as_rows, from_rows

if keras.backend.backend() == "jax":
    from keras_cabvit.ops.on_jax import mlp


@keras.saving.register_keras_serializable(package="keras_cabvit")
class ChannelMixing(keras.layers.Layer):
    """LayerNorm, Dense, exact GELU, Dense, LayerScale and stochastic depth: a residual branch.

    Args:
        mlp_ratio: float, hidden channels a channel. Defaults to 4.
        norm_count: integer, how many LayerNorms with parameters of their own stand at the start.
            CabViT-H has 2 (its published code normalises in the block and once more in the MLP).
            Defaults to 1.
        epsilon: float, of the LayerNorms. Defaults to 1e-5.
        layer_scale_init: float, start of the LayerScale factors, or None for no LayerScale.
            Defaults to 1e-6.
        drop_rate: float, dropout after each Dense. Defaults to 0.
        drop_path_rate: float, stochastic depth of the branch. Defaults to 0.
        kernel_initializer: of both Dense layers. None means normal(0.02), the default.
        fused: whether this is the form for inference, with the last LayerNorm's scale and shift and
            the LayerScale factors folded into the dense layers. Defaults to False.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Call arguments:
        inputs: a tensor (..., channels).
        residual: None, the default, or a tensor of the inputs' shape, to which the branch is added.
            A ConvNeXt block adds to an earlier tensor than a CabViT block does.

    Output: a tensor of the inputs' shape: the branch, or its sum with `residual`.

    Example:
        >>> tuple(keras_cabvit.layers.ChannelMixing()(np.ones((2, 7, 7, 8), "float32")).shape)
        (2, 7, 7, 8)
    """

    def __init__(
        self,
        mlp_ratio=4.0,
        norm_count=1,
        epsilon=1e-5,
        layer_scale_init=1e-6,
        drop_rate=0.0,
        drop_path_rate=0.0,
        kernel_initializer=None,
        fused=False,
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
        self.fused = fused
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.RandomNormal(stddev=0.02)
        )
        norm = FusedLayerNormalization if fused else keras.layers.LayerNormalization
        self.norms = [norm(epsilon=epsilon, dtype=self.dtype_policy) for _ in range(norm_count)]
        if fused:
            self.norms[-1] = norm(
                epsilon=epsilon, center=False, scale=False, dtype=self.dtype_policy
            )
        self.dropout = keras.layers.Dropout(drop_rate, dtype=self.dtype_policy)
        self.layer_scale = None
        if layer_scale_init is not None and not fused:
            self.layer_scale = LayerScale(layer_scale_init, dtype=self.dtype_policy)
        self.drop_path = DropPath(drop_path_rate, dtype=self.dtype_policy)

    def build(self, inputs_shape, residual_shape=None):
        """Creates the weights for inputs (..., channels)."""
        channels = inputs_shape[-1]
        hidden_shape = (*inputs_shape[:-1], int(channels * self.mlp_ratio))
        self.expand = self._dense(hidden_shape[-1])
        self.project = self._dense(channels)
        for norm in self.norms:
            norm.build(inputs_shape)
        self.expand.build(inputs_shape)
        self.dropout.build(hidden_shape)
        self.project.build(hidden_shape)
        if self.layer_scale is not None:
            self.layer_scale.build(inputs_shape)
        self.drop_path.build(inputs_shape)

    def _dense(self, units):
        return keras.layers.Dense(
            units, kernel_initializer=self.kernel_initializer.clone(), dtype=self.dtype_policy
        )

    def call(self, inputs, residual=None, training=None):
        """Returns the branch, or its sum with the residual."""
        x = inputs
        for norm in self.norms:
            x = norm(x)
        if self.fused and not training and residual is not None:
            return from_rows(add_branch_to_rows(self._mlp, x, residual), inputs)
        if training and self._recomputes:
            weights = (weight for dense in self._products for weight in (dense.kernel, dense.bias))
            x = mlp(x, *(ops.cast(weight, x.dtype) for weight in weights))
        else:
            x = from_rows(self._mlp(as_rows(x), training=training), inputs)
            x = self.dropout(x, training=training)
        if self.layer_scale is not None:
            x = self.layer_scale(x)
        x = self.drop_path(x, training=training)
        return x if residual is None else residual + x

    def _mlp(self, x, training=None):
        x = ops.gelu(self.expand(x), approximate=False)
        return self.project(self.dropout(x, training=training))

    @property
    def _products(self):
        return self.expand, self.project

    @property
    def _recomputes(self):
        """Whether the backward pass may compute the hidden channels again, for less memory."""
        plain = all(
            not dense.lora_enabled and dense.quantization_mode is None for dense in self._products
        )
        return keras.backend.backend() == "jax" and plain and not self.drop_rate

    def fuse_from(self, layer):
        """Takes over the weights of a layer that is not fused.

        The scale and shift of the last LayerNorm go into the first dense layer, the LayerScale
        factors into the second.
        """
        *others, last = layer.norms
        for norm, other in zip(self.norms, others, strict=False):
            take_over(norm, other)
        kernel, bias = map(exact, layer.expand.weights)
        self.expand.set_weights(folded_before(kernel, bias, exact(last.gamma), exact(last.beta)))
        kernel, bias = map(exact, layer.project.weights)
        if layer.layer_scale is not None:
            kernel, bias = folded_behind(kernel, bias, exact(layer.layer_scale.gamma))
        self.project.set_weights([kernel, bias])

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
            "fused": self.fused,
        }
