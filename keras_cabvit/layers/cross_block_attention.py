"""Attention over a block's own tokens and the digest tokens of the blocks before it."""

import keras
from keras import ops

from keras_cabvit.layers.drop_path import DropPath
from keras_cabvit.layers.heads import (
    attention_output_spec,
    check_digests,
    head_dim,
    join_heads,
    split_heads,
)
from keras_cabvit.layers.layer_scale import LayerScale
from keras_cabvit.layers.leaf import Leaf
from keras_cabvit.layers.numpy_arguments import accepts_numpy
from keras_cabvit.layers.position_bias import expanded_position_bias
from keras_cabvit.layers.quantized_parts import dense_part, quantized_parts
from keras_cabvit.layers.stored_grid import StoredGrid
from keras_cabvit.layers.token_grid import built_for, digest_blocks, token_grid, validated_grid
from keras_cabvit.ops import attend, attention_maps, dense


@keras.saving.register_keras_serializable(package="keras_cabvit")
class CrossBlockAttention(StoredGrid, Leaf):
    """Multi-head self-attention whose keys and values also come from digest tokens.

    Queries come from the block's own tokens only. Keys and values also come from the digest tokens
    of earlier blocks of the stage, which are first multiplied by learned scale factors (one per
    token position) and normalised by a LayerNorm of their own. Logits over the block's own tokens
    get a learned relative position bias (one value per head and |dy|, |dx| offset), logits over
    digest tokens a learned bias (one value per head and token position).
    One softmax covers both. Output projection, LayerScale, stochastic depth and the residual
    follow. (FcaFormer paper, the section on cross attention between blocks.)

    LayerNorm undoes a positive scale factor: a factor can only flip the sign, or shrink a token
    until the LayerNorm's epsilon dominates. The published model does the same.

    Args:
        num_heads: integer, must divide the channels.
        position_bias: whether logits over the block's own tokens get the relative position bias.
            The plain model has none. Defaults to True.
        scale_digests: whether digest tokens are multiplied by the learned scale factors. Defaults
            to True; False is for measuring their effect.
        epsilon: float, epsilon of both LayerNorms. Defaults to 1e-5.
        layer_scale_init: float, initial value of the LayerScale factors, or None for no LayerScale.
            Defaults to 1e-6.
        drop_rate: float, rate of the dropout after the output projection. Defaults to 0.
        attention_drop_rate: float, rate of the dropout on the attention maps. Defaults to 0.
        drop_path_rate: float, stochastic depth rate. Defaults to 0.
        grid: (height, width) of the tokens when the input is (batch, prefix + height * width,
            channels); None, the default, when it is a feature map.
        kernel_initializer: initializer of the Dense kernels. Defaults to None: normal(0.02).
        quantized: dict from `query`, `key_value` and `projection`, where they are quantised, to
            their dtype policies, or to these and their quantisers; the config of a quantised layer
            contains it. Defaults to None.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Call arguments:
        inputs: a feature map (batch, height, width, channels), or tokens if `grid` is given.
        digests: digest tokens (batch, digest tokens, channels), the oldest block's first, each
            block's in row order; or None. A layer built without them accepts none later.
        return_attention_maps: whether to return the attention maps as well.

    Output: a tensor of the input's shape; with `return_attention_maps` also the softmax weights
        (batch, num_heads, tokens, tokens + digest tokens).

    Weights with frozen shapes: `position_bias` (num_heads, height, width) over [|dy|, |dx|];
        `digest_bias` (num_heads, blocks, rows, columns) and `digest_scale` (blocks, rows, columns).

    Raises:
        ValueError: the channels are not divisible by `num_heads`, the shapes do not fit `grid`, the
            digest tokens are not those of a whole number of blocks, or the layer was built for
            another grid.

    Example:
        >>> layer = keras_cabvit.layers.CrossBlockAttention(num_heads=2)
        >>> own, digests = np.ones((1, 8, 8, 32), "float32"), np.ones((1, 4, 32), "float32")
        >>> output, maps = layer(own, digests, return_attention_maps=True)
        >>> tuple(output.shape), tuple(maps.shape)
        ((1, 8, 8, 32), (1, 2, 64, 68))
    """

    @accepts_numpy
    def __init__(
        self,
        num_heads,
        position_bias=True,
        scale_digests=True,
        epsilon=1e-5,
        layer_scale_init=1e-6,
        drop_rate=0.0,
        attention_drop_rate=0.0,
        drop_path_rate=0.0,
        grid=None,
        kernel_initializer=None,
        quantized=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.use_position_bias = position_bias
        self.scale_digests = scale_digests
        self.epsilon = epsilon
        self.layer_scale_init = layer_scale_init
        self.drop_rate = drop_rate
        self.attention_drop_rate = attention_drop_rate
        self.drop_path_rate = drop_path_rate
        self.grid = validated_grid(grid)
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.RandomNormal(stddev=0.02)
        )
        self.quantized = quantized or {}
        self.norm = self._normalization("norm")
        options = {"dtype": self.dtype_policy}
        self.attention_dropout = keras.layers.Dropout(
            attention_drop_rate, name="attention_dropout", **options
        )
        self.dropout = keras.layers.Dropout(drop_rate, name="dropout", **options)
        self.layer_scale = None
        if layer_scale_init is not None:
            self.layer_scale = LayerScale(layer_scale_init, name="layer_scale", **options)
        self.drop_path = DropPath(drop_path_rate, name="drop_path", **options)

    def build(self, inputs_shape, digests_shape=None):
        """Creates the weights for these shapes; without digest tokens, none for them."""
        batch, channels = inputs_shape[0], inputs_shape[-1]
        self.head_dim = head_dim(channels, self.num_heads, self.name)
        self.layout = token_grid(inputs_shape, self.grid, self.name)
        self.input_spec = built_for(inputs_shape)
        if self.use_position_bias and self.layout.prefix:
            raise ValueError(
                f"Layer '{self.name}': the relative position bias is defined on the grid only, "
                f"and the input has {self.layout.prefix} tokens before it. Pass "
                "position_bias=False."
            )
        self.digest_blocks = digest_blocks(digests_shape, self.layout, self.name)

        tokens_shape = (batch, self.layout.tokens, channels)
        self.query = dense_part(self, "query", channels)
        self.key_value = dense_part(self, "key_value", 2 * channels)
        self.projection = dense_part(self, "projection", channels)
        products = (self.query, self.key_value, self.projection)
        for layer in (self.norm, *products, self.layer_scale, self.dropout, self.drop_path):
            if layer is not None:
                layer.build(tokens_shape)
        if self.use_position_bias:
            shape = (self.num_heads, self.layout.height, self.layout.width)
            self.position_bias = self.add_weight(shape, "zeros", name="position_bias")
        if self.digest_blocks:
            shape = (self.digest_blocks, *self.layout.digest_grid)
            self.digest_norm = self._normalization("digest_norm")
            self.digest_norm.build(digests_shape)
            if self.scale_digests:
                self.digest_scale = self.add_weight(shape, "ones", name="digest_scale")
            self.digest_bias = self.add_weight(
                (self.num_heads, *shape), "zeros", name="digest_bias"
            )

    @property
    def token_grid(self):
        """Height and width in tokens of the grid that the layer was built for."""
        return self.layout.height, self.layout.width

    def _normalization(self, name):
        return keras.layers.LayerNormalization(
            epsilon=self.epsilon, name=name, dtype=self.dtype_policy
        )

    def call(self, inputs, digests=None, return_attention_maps=False, training=None):
        """Returns the block's tokens after attention, in the input's shape."""
        check_digests(digests, self.digest_blocks, self.name)
        tokens = ops.reshape(inputs, (-1, self.layout.tokens, inputs.shape[-1]))
        x = self.norm(tokens)
        query = split_heads(dense(self.query, x) * self.head_dim**-0.5, self.num_heads)

        # Digest tokens need no queries: what they attend to would never be used.
        sources = x
        if digests is not None:
            if self.scale_digests:
                digests = digests * ops.reshape(self.digest_scale, (1, -1, 1))
            sources = ops.concatenate([x, self.digest_norm(digests)], axis=1)
        key, value = (
            split_heads(half, self.num_heads)
            for half in ops.split(dense(self.key_value, sources), 2, axis=-1)
        )

        bias = self.expanded_bias()
        if return_attention_maps:
            maps = attention_maps(query, key, bias)
            x = ops.matmul(self.attention_dropout(maps, training=training), value)
        else:
            x = attend(query, key, value, bias, self.attention_dropout, training)
        x = self.dropout(dense(self.projection, join_heads(x)), training=training)
        if self.layer_scale is not None:
            x = self.layer_scale(x)
        x = tokens + self.drop_path(x, training=training)
        x = ops.reshape(x, (-1, *inputs.shape[1:]))
        return (x, maps) if return_attention_maps else x

    def expanded_bias(self):
        """Returns the bias that is added to the logits, or None.

        Returns:
            A tensor (heads, tokens or 1, tokens + digest tokens).
        """
        tokens = self.layout.tokens
        over_tokens = expanded_position_bias(self.position_bias) if self.use_position_bias else None
        if not self.digest_blocks:
            return over_tokens
        over_digests = ops.reshape(self.digest_bias, (self.num_heads, 1, -1))
        if over_tokens is None:
            return ops.pad(over_digests, ((0, 0), (0, 0), (tokens, 0)))
        return ops.concatenate([over_tokens, ops.repeat(over_digests, tokens, axis=1)], axis=-1)

    def compute_output_spec(self, inputs, digests=None, return_attention_maps=False, training=None):
        """Returns the input's shape, and that of the attention maps if they are requested."""
        return attention_output_spec(self, inputs, digests, return_attention_maps)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "position_bias": self.use_position_bias,
            "scale_digests": self.scale_digests,
            "epsilon": self.epsilon,
            "layer_scale_init": self.layer_scale_init,
            "drop_rate": self.drop_rate,
            "attention_drop_rate": self.attention_drop_rate,
            "drop_path_rate": self.drop_path_rate,
            "grid": self.grid,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            **quantized_parts(self, "query", "key_value", "projection"),
        }
