"""Attention over a block's own tokens and the digest tokens of the blocks before it."""

import keras
import numpy as np
from keras import ops

from keras_cabvit.inference.folding import exact, folded_behind, take_over
from keras_cabvit.inference.layer_normalization import FusedLayerNormalization
from keras_cabvit.layers.drop_path import DropPath
from keras_cabvit.layers.layer_scale import LayerScale
from keras_cabvit.layers.token_grid import token_grid, validated_grid
from keras_cabvit.ops.on_tensorflow import add_to_rows, as_rows, from_rows
from keras_cabvit.ops.precision import computes_in_half

if keras.backend.backend() == "jax":
    from keras_cabvit.ops.on_jax import attend


@keras.saving.register_keras_serializable(package="keras_cabvit")
class CrossBlockAttention(keras.layers.Layer):
    """Multi-head self-attention whose keys and values also come from digest tokens.

    Queries come from the block's own tokens alone. Keys and values come from these and from the
    digest tokens that earlier blocks of the stage left behind, which are first multiplied by
    learned scale factors (one a token position) and normalised by a LayerNorm of their own. Logits
    over the own tokens get a learned relative position bias (one value a head and |dy|, |dx|
    offset), logits over digest tokens a learned bias (one value a head and token position). One
    softmax covers both. Output projection, LayerScale, stochastic depth and the residual follow.
    (FcaFormer paper, the section on cross attention between blocks.)

    LayerNorm undoes a positive scale factor, so that what a factor can do is to change sign, or to
    fade a token into the LayerNorm's epsilon. The published model has it so.

    Args:
        num_heads: integer, must divide the channels.
        position_bias: whether logits over the own tokens get the relative position bias. The plain
            model has none. Defaults to True.
        scale_digests: whether digest tokens are multiplied by the learned scale factors. Defaults
            to True; without it is for measuring what they do.
        epsilon: float, of both LayerNorms. Defaults to 1e-5.
        layer_scale_init: float, start of the LayerScale factors, or None for no LayerScale.
            Defaults to 1e-6.
        drop_rate: float, dropout after the output projection. Defaults to 0.
        attention_drop_rate: float, dropout on the attention maps. Defaults to 0.
        drop_path_rate: float, stochastic depth. Defaults to 0.
        grid: (height, width) of the tokens when the input is (batch, prefix + height * width,
            channels); None, the default, when it is a feature map.
        kernel_initializer: of the Dense layers. None means normal(0.02), the default.
        fused: whether this is the form for inference, which `keras_cabvit.export.fuse` makes of a
            trained model. Defaults to False.
        store_bias: whether a fused layer stores the bias of its attention maps as it is added,
            (heads, tokens, tokens + digest tokens), which is faster; else it is gathered from the
            smaller tables in every call. Defaults to True.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Call arguments:
        inputs: a feature map (batch, height, width, channels), or tokens if `grid` is given.
        digests: digest tokens (batch, digest tokens, channels), the oldest block's first, each
            block's in row order; or None. A layer built without them takes none later.
        return_attention_maps: whether to return the attention maps as well.

    Output: a tensor of the input's shape; with `return_attention_maps` also the softmax weights
        (batch, num_heads, tokens, tokens + digest tokens).

    Weights whose shape is frozen: `position_bias` (num_heads, height, width) over [|dy|, |dx|];
        `digest_bias` (num_heads, blocks, rows, columns) and `digest_scale` (blocks, rows, columns).

    Raises:
        ValueError: the channels do not divide by `num_heads`, the shapes and `grid` do not fit, or
            the digest tokens are not a whole number of blocks'.

    Example:
        >>> layer = keras_cabvit.layers.CrossBlockAttention(num_heads=2)
        >>> own, digests = np.ones((1, 8, 8, 32), "float32"), np.ones((1, 4, 32), "float32")
        >>> output, maps = layer(own, digests, return_attention_maps=True)
        >>> tuple(output.shape), tuple(maps.shape)
        ((1, 8, 8, 32), (1, 2, 64, 68))
    """

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
        fused=False,
        store_bias=True,
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
        self.fused = fused
        self.store_bias = store_bias
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.RandomNormal(stddev=0.02)
        )
        self.norm = self._normalization()
        self.attention_dropout = keras.layers.Dropout(attention_drop_rate, dtype=self.dtype_policy)
        self.dropout = keras.layers.Dropout(drop_rate, dtype=self.dtype_policy)
        self.layer_scale = None
        if layer_scale_init is not None and not fused:
            self.layer_scale = LayerScale(layer_scale_init, dtype=self.dtype_policy)
        self.drop_path = DropPath(drop_path_rate, dtype=self.dtype_policy)
        # Half precision is too coarse for the exponentials of a softmax and their sum.
        self.softmax_dtype = "float32" if computes_in_half(self) else self.compute_dtype

    def build(self, inputs_shape, digests_shape=None):
        """Creates the weights for these shapes; without digest tokens, none for them."""
        batch, channels = inputs_shape[0], inputs_shape[-1]
        if channels % self.num_heads:
            raise ValueError(
                f"Layer '{self.name}': the channels must divide by `num_heads`. "
                f"Received: {channels} channels, num_heads={self.num_heads}"
            )
        self.layout = token_grid(inputs_shape, self.grid, self.name)
        if self.use_position_bias and self.layout.prefix:
            raise ValueError(
                f"Layer '{self.name}': the relative position bias is defined on the grid alone, "
                f"and the input has {self.layout.prefix} tokens before it. Pass "
                "position_bias=False."
            )
        self.head_dim = channels // self.num_heads
        self.digest_blocks = self._digest_blocks(digests_shape)

        tokens_shape = (batch, self.layout.tokens, channels)
        self.query = self._dense(channels)
        if self.fused:
            self.key, self.value = self._dense(channels), self._dense(channels)
            products = (self.query, self.key, self.value)
        else:
            self.key_value = self._dense(2 * channels)
            products = (self.query, self.key_value)
        self.projection = self._dense(channels)
        for layer in (self.norm, *products, self.projection, self.dropout):
            layer.build(tokens_shape)
        self.drop_path.build(tokens_shape)
        if self.layer_scale is not None:
            self.layer_scale.build(tokens_shape)
        stored = self.fused and self.store_bias
        if stored and (self.use_position_bias or self.digest_blocks):
            rows = self.layout.tokens if self.use_position_bias else 1
            sources = self.layout.tokens + (digests_shape[1] if self.digest_blocks else 0)
            # Of the type that it is added in: it is large, and would be converted in every call.
            self.bias = self.add_weight(
                name="bias",
                shape=(self.num_heads, rows, sources),
                initializer="zeros",
                dtype=self.softmax_dtype,
                autocast=False,
            )
        if self.use_position_bias and not stored:
            self.position_bias = self.add_weight(
                name="position_bias",
                shape=(self.num_heads, self.layout.height, self.layout.width),
                initializer="zeros",
            )
        if self.digest_blocks:
            shape = (self.digest_blocks, *self.layout.digest_grid)
            self.digest_norm = self._normalization()
            self.digest_norm.build(digests_shape)
            if self.scale_digests:
                self.digest_scale = self.add_weight(
                    name="digest_scale", shape=shape, initializer="ones"
                )
            if not stored:
                self.digest_bias = self.add_weight(
                    name="digest_bias", shape=(self.num_heads, *shape), initializer="zeros"
                )

    def _digest_blocks(self, digests_shape):
        if digests_shape is None:
            return 0
        rows, columns = self.layout.digest_grid
        blocks, remainder = divmod(digests_shape[1], rows * columns)
        if remainder or not blocks:
            raise ValueError(
                f"Layer '{self.name}': a block on a {self.layout.height}x{self.layout.width} grid "
                f"leaves {rows * columns} digest tokens, and `digests` must hold those of one or "
                f"more blocks. Received: digests of shape {tuple(digests_shape)}"
            )
        return blocks

    def _normalization(self):
        layer = FusedLayerNormalization if self.fused else keras.layers.LayerNormalization
        return layer(epsilon=self.epsilon, dtype=self.dtype_policy)

    def _dense(self, units):
        return keras.layers.Dense(
            units, kernel_initializer=self.kernel_initializer.clone(), dtype=self.dtype_policy
        )

    def call(self, inputs, digests=None, return_attention_maps=False, training=None):
        """Returns the block's tokens after attention, in the input's shape."""
        if (digests is not None) != bool(self.digest_blocks):
            raise ValueError(
                f"Layer '{self.name}' was built for digest tokens of {self.digest_blocks} blocks, "
                f"so `digests` must {'' if self.digest_blocks else 'not '}be given."
            )
        channels = inputs.shape[-1]
        tokens = ops.reshape(inputs, (-1, self.layout.tokens, channels))
        x = self.norm(tokens)
        query = _of_rows(self.query, x)
        if not self.fused:
            query = query * self.head_dim**-0.5
        query = self._split_heads(query)

        # The digest tokens need no queries: nobody reads what they would attend to.
        sources = x
        if digests is not None:
            sources = ops.concatenate([x, self._normalized_digests(digests)], axis=1)
        if self.fused:  # apart, nothing has to be copied out of a common result
            key, value = _of_rows(self.key, sources), _of_rows(self.value, sources)
        else:
            key, value = ops.split(_of_rows(self.key_value, sources), 2, axis=-1)

        key, value = self._split_heads(key), self._split_heads(value)
        maps = None
        if training and self._recomputes and not return_attention_maps:
            x = attend(query, key, value, self._bias())
        else:
            maps = self._attention_maps(query, key)
            x = ops.matmul(self.attention_dropout(maps, training=training), value)
        x = ops.transpose(x, (0, 2, 1, 3))
        x = ops.reshape(x, (-1, self.layout.tokens, channels))
        x = self.projection(as_rows(x))
        if self.fused and not training:
            x = add_to_rows(x, tokens)
        else:
            x = from_rows(self.dropout(x, training=training), tokens)
            if self.layer_scale is not None:
                x = self.layer_scale(x)
            x = tokens + self.drop_path(x, training=training)
        x = ops.reshape(x, (-1, *inputs.shape[1:]))
        return (x, maps) if return_attention_maps else x

    def _attention_maps(self, query, key):
        """(batch, heads, tokens, tokens + digest tokens), from queries and keys in heads."""
        logits = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        logits = ops.cast(logits, self.softmax_dtype)
        bias = self._bias()
        if bias is not None:
            logits = logits + ops.cast(bias, self.softmax_dtype)
        return ops.cast(ops.softmax(logits, axis=-1), self.compute_dtype)

    @property
    def _recomputes(self):
        """Whether the backward pass may compute the maps again, which takes less memory."""
        return keras.backend.backend() == "jax" and not self.attention_drop_rate

    def _normalized_digests(self, digests):
        if not self.scale_digests:
            return self.digest_norm(digests)
        scale = ops.reshape(self.digest_scale, (1, -1, 1))
        if self.fused:
            return self.digest_norm(digests, token_scale=scale)
        return self.digest_norm(digests * scale)

    def _split_heads(self, x):
        """(batch, tokens, channels) -> (batch, heads, tokens, head_dim)."""
        x = ops.reshape(x, (-1, x.shape[1], self.num_heads, self.head_dim))
        return ops.transpose(x, (0, 2, 1, 3))

    def _bias(self):
        """Returns what is added to the logits, (heads, tokens or 1, tokens + digest tokens)."""
        if self.fused and self.store_bias:
            return getattr(self, "bias", None)
        over_digests = None
        if self.digest_blocks:
            over_digests = ops.reshape(self.digest_bias, (self.num_heads, 1, -1))
        if not self.use_position_bias:
            if over_digests is None:
                return None
            return ops.pad(over_digests, ((0, 0), (0, 0), (self.layout.tokens, 0)))
        over_tokens = self._expanded_position_bias()
        if over_digests is None:
            return over_tokens
        if self.fused:  # a product is one of LiteRT's fast kernels, a repetition is not
            ones = ops.ones((self.layout.tokens, 1), self.compute_dtype)
            repeated = ops.matmul(ones, over_digests)
        else:
            repeated = ops.repeat(over_digests, self.layout.tokens, axis=1)
        return ops.concatenate([over_tokens, repeated], axis=-1)

    def _expanded_position_bias(self):
        """(heads, |dy|, |dx|) -> (heads, tokens, tokens)."""
        height, width, _ = self.layout
        table = self.position_bias
        if self.fused:
            # The TFLite converter computes a gather from weights once and stores what comes out,
            # which is what `store_bias=False` is to avoid.
            table = ops.matmul(_one_hot_offsets(height, self.compute_dtype), table)
            table = ops.matmul(table, _one_hot_offsets(width, self.compute_dtype).T)
        else:
            table = ops.take(table, _offsets(height), axis=1)  # (heads, H*H, W)
            table = ops.take(table, _offsets(width), axis=2)  # (heads, H*H, W*W)
        table = ops.reshape(table, (self.num_heads, height, height, width, width))
        table = ops.transpose(table, (0, 1, 3, 2, 4))  # (heads, y, x, y', x')
        return ops.reshape(table, (self.num_heads, height * width, height * width))

    def fuse_from(self, layer):
        """Takes over the weights of a layer that is not fused.

        The factor of the queries goes into their dense layer and the LayerScale factors into the
        output projection. The LayerNorms keep scale and shift: keys and values of both, own tokens
        and digest tokens, come from one kernel.
        """
        query, projection = (
            tuple(map(exact, dense.weights)) for dense in (layer.query, layer.projection)
        )
        query = folded_behind(*query, self.head_dim**-0.5)
        if layer.layer_scale is not None:
            projection = folded_behind(*projection, exact(layer.layer_scale.gamma))
        take_over(self.norm, layer.norm)
        if self.digest_blocks:
            take_over(self.digest_norm, layer.digest_norm)
            if self.scale_digests:
                self.digest_scale.assign(exact(layer.digest_scale))
        halves = (np.split(exact(weight), 2, axis=-1) for weight in layer.key_value.weights)
        for dense, weights in zip((self.key, self.value), zip(*halves, strict=True), strict=True):
            dense.set_weights(weights)
        self.query.set_weights(query)
        self.projection.set_weights(projection)
        if not self.store_bias:
            if self.use_position_bias:
                self.position_bias.assign(exact(layer.position_bias))
            if self.digest_blocks:
                self.digest_bias.assign(exact(layer.digest_bias))
        elif self.use_position_bias or self.digest_blocks:
            self.bias.assign(exact(layer._bias()))

    def compute_output_spec(self, inputs, digests=None, return_attention_maps=False, training=None):
        """Returns the input's shape, and that of the attention maps if they are asked for."""
        output = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        if not return_attention_maps:
            return output
        tokens = token_grid(inputs.shape, self.grid, self.name).tokens
        sources = tokens + (0 if digests is None else digests.shape[1])
        maps = keras.KerasTensor(
            (inputs.shape[0], self.num_heads, tokens, sources), dtype=self.compute_dtype
        )
        return output, maps

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
            "fused": self.fused,
            "store_bias": self.store_bias,
        }


def _of_rows(dense, tokens):
    return from_rows(dense(as_rows(tokens)), tokens)


def _offsets(side):
    """Returns |i - j| for all pairs of positions of a side, flattened, i first."""
    positions = np.arange(side, dtype="int32")
    return np.abs(positions[:, None] - positions[None, :]).reshape(-1)


def _one_hot_offsets(side, dtype):
    """Returns a row for every pair of positions of a side, with a 1 at |i - j|."""
    return (_offsets(side)[:, None] == np.arange(side)).astype(dtype)
