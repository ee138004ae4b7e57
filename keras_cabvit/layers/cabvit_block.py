"""One block of a CabViT stage."""

import keras

from keras_cabvit.layers.channel_mixing import ChannelMixing
from keras_cabvit.layers.cross_block_attention import CrossBlockAttention
from keras_cabvit.layers.token_merge_enhancement import TokenMergeEnhancement


@keras.saving.register_keras_serializable(package="keras_cabvit")
class CabViTBlock(keras.layers.Layer):
    """Cross-block attention, token merge and enhancement, then channel mixing.

    Args:
        num_heads: integer, must divide the channels.
        merge: whether to leave digest tokens behind. Defaults to True.
        mlp_ratio: float, hidden channels of the MLP a channel. Defaults to 4.
        mlp_norm_count: integer, LayerNorms before the MLP. CabViT-H, the default, has 2; the plain
            model has 1.
        position_bias: whether attention has the relative position bias. Defaults to True.
        enhance: whether the tokens are enhanced. Defaults to True.
        scale_digests: whether digest tokens have learned scale factors. Defaults to True.
        epsilon: float, of the LayerNorms. Defaults to 1e-5.
        layer_scale_init: float, start of the LayerScale factors of both residual branches, or None
            for no LayerScale. Defaults to 1e-6.
        drop_rate: float, dropout after the projections. Defaults to 0.
        attention_drop_rate: float, dropout on the attention maps. Defaults to 0.
        drop_path_rate: float, stochastic depth of both residual branches. Defaults to 0.
        grid: (height, width) of the tokens when the input is (batch, prefix + height * width,
            channels); None, the default, when it is a feature map.
        kernel_initializer: of the Dense layers. None means normal(0.02), the default.
        depthwise_initializer: of the convolutions. None means normal(0.02), the default.
        fused: whether this is the form for inference, which `keras_cabvit.export.fuse` makes of a
            trained model. Defaults to False.
        store_bias: whether a fused layer stores the bias of its attention maps as it is added,
            (heads, tokens, tokens + digest tokens), which is faster; else it is gathered from the
            smaller tables in every call. Defaults to True.
        kernel_rows: integer, at most so many rows of a large depthwise kernel are computed at a
            time, which is faster in TFLite (`depthwise_by_rows`). Defaults to None: all at once.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Call arguments:
        inputs: a feature map (batch, height, width, channels), or tokens if `grid` is given.
        digests: digest tokens of earlier blocks (batch, digest tokens, channels), or None.
        return_attention_maps: whether to return the attention maps as well.

    Output: the block's tokens in the input's shape, alone or as the first of a tuple. If `merge`,
        this block's digest tokens (batch, ceil(height / 4) * ceil(width / 4), channels) follow;
        with `return_attention_maps`, the attention maps come last.

    Example:
        >>> block = keras_cabvit.layers.CabViTBlock(num_heads=2)
        >>> output, digests = block(np.ones((1, 8, 8, 32), "float32"))
        >>> tuple(output.shape), tuple(digests.shape)
        ((1, 8, 8, 32), (1, 4, 32))
    """

    def __init__(
        self,
        num_heads,
        merge=True,
        mlp_ratio=4.0,
        mlp_norm_count=2,
        position_bias=True,
        enhance=True,
        scale_digests=True,
        epsilon=1e-5,
        layer_scale_init=1e-6,
        drop_rate=0.0,
        attention_drop_rate=0.0,
        drop_path_rate=0.0,
        grid=None,
        kernel_initializer=None,
        depthwise_initializer=None,
        fused=False,
        store_bias=True,
        kernel_rows=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.fused = fused
        self.attention = CrossBlockAttention(
            num_heads,
            position_bias=position_bias,
            scale_digests=scale_digests,
            epsilon=epsilon,
            layer_scale_init=layer_scale_init,
            drop_rate=drop_rate,
            attention_drop_rate=attention_drop_rate,
            drop_path_rate=drop_path_rate,
            grid=grid,
            kernel_initializer=kernel_initializer,
            fused=fused,
            store_bias=store_bias,
            dtype=self.dtype_policy,
        )
        self.merge_enhancement = TokenMergeEnhancement(
            merge=merge,
            enhance=enhance,
            grid=grid,
            depthwise_initializer=depthwise_initializer,
            fused=fused,
            kernel_rows=kernel_rows,
            dtype=self.dtype_policy,
        )
        self.channel_mixing = ChannelMixing(
            mlp_ratio=mlp_ratio,
            norm_count=mlp_norm_count,
            epsilon=epsilon,
            layer_scale_init=layer_scale_init,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
            kernel_initializer=kernel_initializer,
            fused=fused,
            dtype=self.dtype_policy,
        )

    def build(self, inputs_shape, digests_shape=None):
        """Creates the weights for these shapes."""
        self.attention.build(inputs_shape, digests_shape)
        self.merge_enhancement.build(inputs_shape)
        self.channel_mixing.build(inputs_shape)

    def call(self, inputs, digests=None, return_attention_maps=False, training=None):
        """Returns the block's tokens, its digest tokens if it merges, and maps if asked for."""
        maps = ()
        x = self.attention(
            inputs, digests, return_attention_maps=return_attention_maps, training=training
        )
        if return_attention_maps:
            x, *maps = x
        x = self.merge_enhancement(x, training=training)
        own_digests = ()
        if self.merge_enhancement.merge:
            x, *own_digests = x
        x = self.channel_mixing(x, residual=x, training=training)
        outputs = (x, *own_digests, *maps)
        return outputs if len(outputs) > 1 else x

    def fuse_from(self, layer):
        """Takes over the weights of a block that is not fused."""
        self.attention.fuse_from(layer.attention)
        self.merge_enhancement.fuse_from(layer.merge_enhancement)
        self.channel_mixing.fuse_from(layer.channel_mixing)

    def compute_output_spec(self, inputs, digests=None, return_attention_maps=False, training=None):
        """Returns the shapes of what `call` returns."""
        attended = self.attention.compute_output_spec(
            inputs, digests, return_attention_maps=return_attention_maps
        )
        maps = attended[1:] if return_attention_maps else ()
        outputs = self.merge_enhancement.compute_output_spec(inputs)
        outputs = (*outputs, *maps) if self.merge_enhancement.merge else (outputs, *maps)
        return outputs if len(outputs) > 1 else outputs[0]

    def get_config(self):
        """Returns the constructor's arguments."""
        attention, mixing = self.attention, self.channel_mixing
        return {
            **super().get_config(),
            "num_heads": attention.num_heads,
            "merge": self.merge_enhancement.merge,
            "mlp_ratio": mixing.mlp_ratio,
            "mlp_norm_count": mixing.norm_count,
            "position_bias": attention.use_position_bias,
            "enhance": self.merge_enhancement.enhance,
            "scale_digests": attention.scale_digests,
            "epsilon": attention.epsilon,
            "layer_scale_init": attention.layer_scale_init,
            "drop_rate": attention.drop_rate,
            "attention_drop_rate": attention.attention_drop_rate,
            "drop_path_rate": attention.drop_path_rate,
            "grid": attention.grid,
            "kernel_initializer": keras.initializers.serialize(attention.kernel_initializer),
            "depthwise_initializer": keras.initializers.serialize(
                self.merge_enhancement.depthwise_initializer
            ),
            "fused": self.fused,
            "store_bias": attention.store_bias,
            "kernel_rows": self.merge_enhancement.kernel_rows,
        }
