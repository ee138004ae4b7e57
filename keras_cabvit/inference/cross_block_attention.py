"""The two inference forms of `CrossBlockAttention`: biases stored, or computed in every call."""

import keras
import numpy as np
from keras import ops

from keras_cabvit.inference.adapted_layers import exact_kernel
from keras_cabvit.inference.folding import assign_product, exact, folded_after
from keras_cabvit.layers.composite import Composite
from keras_cabvit.layers.heads import (
    attention_output_spec,
    check_digests,
    head_dim,
    join_heads,
    split_heads,
)
from keras_cabvit.layers.position_bias import offsets, pairs_of_tokens
from keras_cabvit.layers.token_grid import built_for, digest_blocks, token_grid, validated_grid
from keras_cabvit.ops import at_least_single, attend, attention_maps, dense


class _FusedAttention(Composite):
    """Base of the two forms, which differ in their biases.

    The scale of the queries is folded into their dense layer, and the LayerScale factors into the
    output projection. The LayerNorms keep scale and shift, because one kernel follows two of them,
    the own tokens' and the digest tokens'. Keys and values have separate dense layers, which avoids
    copying them out of a joint result.
    """

    part_names = ("norm", "query", "key", "value", "projection", "digest_norm")
    optional_parts = ("digest_norm",)

    def __init__(
        self,
        norm,
        query,
        key,
        value,
        projection,
        digest_norm,
        num_heads,
        position_bias=True,
        scale_digests=True,
        grid=None,
        **kwargs,
    ):
        parts = (norm, query, key, value, projection, digest_norm)
        super().__init__(dict(zip(self.part_names, parts, strict=True)), **kwargs)
        self.num_heads = num_heads
        self.use_position_bias = position_bias
        self.scale_digests = scale_digests
        self.grid = validated_grid(grid)

    @classmethod
    def from_trained(cls, layer, forms):
        """Creates the inference form of a `CrossBlockAttention`, without weights yet.

        Args:
            layer: `CrossBlockAttention`.
            forms: `fusing.Forms`, which makes the parts.
        """
        channels = layer.projection.units
        return cls(
            forms(layer.norm),
            forms.product(layer.query),
            forms.product(layer.key_value, units=channels, name="key"),
            forms.product(layer.key_value, units=channels, name="value"),
            forms.product(layer.projection),
            forms(layer.digest_norm) if layer.digest_blocks else None,
            num_heads=layer.num_heads,
            position_bias=layer.use_position_bias,
            scale_digests=layer.scale_digests,
            grid=layer.grid,
            **forms.options(layer),
        )

    def fold(self, layer):
        """Copies the trainable layer's weights, folded."""
        kernel, bias = exact_kernel(layer.query), exact(layer.query.bias)
        self.assign_heads(self.query, *folded_after(kernel, bias, self.head_dim**-0.5))
        kernels = np.split(exact_kernel(layer.key_value), 2, axis=-1)
        biases = np.split(exact(layer.key_value.bias), 2)
        for half, kernel, bias in zip((self.key, self.value), kernels, biases, strict=True):
            self.assign_heads(half, kernel, bias)
        kernel, bias = exact_kernel(layer.projection), exact(layer.projection.bias)
        if layer.layer_scale is not None:
            kernel, bias = folded_after(kernel, bias, exact(layer.layer_scale.gamma))
        assign_product(self.projection, kernel, bias)
        if self.digest_blocks and self.scale_digests:
            self.digest_scale.assign(exact(layer.digest_scale))
        self._copy_bias(layer)

    def build(self, inputs_shape, digests_shape=None):
        """Creates the weights for these shapes."""
        batch, channels = inputs_shape[0], inputs_shape[-1]
        self.head_dim = head_dim(channels, self.num_heads, self.name)
        self.layout = token_grid(inputs_shape, self.grid, self.name)
        self.input_spec = built_for(inputs_shape)
        self.digest_blocks = digest_blocks(digests_shape, self.layout, self.name)
        tokens_shape = (batch, self.layout.tokens, channels)
        for part in (self.norm, self.query, self.key, self.value, self.projection):
            part.build(tokens_shape)
        if self.digest_blocks:
            self.digest_norm.build(digests_shape)
            if self.scale_digests:
                shape = (self.digest_blocks, *self.layout.digest_grid)
                self.digest_scale = self.add_weight(shape, "ones", name="digest_scale")
        self._build_bias()

    def call(self, inputs, digests=None, return_attention_maps=False):
        """Returns the block's tokens after attention, in the input's shape."""
        check_digests(digests, self.digest_blocks, self.name)
        tokens = ops.reshape(inputs, (-1, self.layout.tokens, inputs.shape[-1]))
        sources = x = self.norm(tokens)
        if digests is not None:
            sources = ops.concatenate([x, self._normalized(digests)], axis=1)
        query = self.heads(self.query, x)
        key, value = self.keys_and_values(sources)
        bias = self.expanded_bias()
        x = join_heads(attend(query, key, value, bias))
        x = dense(self.projection, x, residual=tokens)
        x = ops.reshape(x, (-1, *inputs.shape[1:]))
        return (x, attention_maps(query, key, bias)) if return_attention_maps else x

    def keys_and_values(self, sources):
        """Returns keys and values, (batch, heads, sources, head_dim) each.

        Args:
            sources: tensor (batch, sources, channels).
        """
        return [self.heads(part, sources) for part in (self.key, self.value)]

    def assign_heads(self, part, kernel, bias):
        """Assigns the kernel (channels, channels) and bias of queries, keys or values."""
        assign_product(part, kernel, bias)

    def heads(self, part, x):
        """Returns queries, keys or values of tokens, (batch, heads, tokens, head_dim)."""
        return split_heads(dense(part, x), self.num_heads)

    def _normalized(self, digests):
        if not self.scale_digests:
            return self.digest_norm(digests)
        scale = ops.reshape(self.digest_scale, (1, -1, 1))
        return self.digest_norm(digests, token_scale=scale)

    def compute_output_spec(self, inputs, digests=None, return_attention_maps=False):
        """Returns the input's shape, and that of the attention maps if they are requested."""
        return attention_output_spec(self, inputs, digests, return_attention_maps)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "position_bias": self.use_position_bias,
            "scale_digests": self.scale_digests,
            "grid": self.grid,
        }


@keras.saving.register_keras_serializable(package="keras_cabvit")
class FusedCrossBlockAttention(_FusedAttention):
    """`CrossBlockAttention` for inference, with biases stored ready to be added to the logits.

    Args:
        norm: `FusedLayerNormalization` of the block's own tokens.
        query, key, value: `keras.layers.Dense`; the query layer's output is already scaled.
        projection: `keras.layers.Dense` of the output.
        digest_norm: `FusedLayerNormalization` of the digest tokens; None without them.
        num_heads, position_bias, scale_digests, grid: as in `CrossBlockAttention`.
        **kwargs: `name` and the like, for `keras.layers.Layer`.

    Call arguments and output: as in `CrossBlockAttention`.

    Weights: `bias` (num_heads, tokens or 1, tokens + digest tokens), if there is a position bias or
        digest tokens.
    """

    def _build_bias(self):
        self.bias = None
        if not (self.use_position_bias or self.digest_blocks):
            return
        rows, columns = self.layout.digest_grid
        tokens = self.layout.tokens
        sources = tokens + self.digest_blocks * rows * columns
        # In the dtype of the addition: it is large, and would otherwise be cast in every call.
        self.bias = self.add_weight(
            (self.num_heads, tokens if self.use_position_bias else 1, sources),
            "zeros",
            dtype=at_least_single(self.compute_dtype),
            autocast=False,
            name="bias",
        )

    def _copy_bias(self, layer):
        if self.bias is not None:
            self.bias.assign(exact(layer.expanded_bias()))

    def expanded_bias(self):
        """Returns the bias that is added to the logits, (heads, tokens or 1, sources), or None."""
        return self.bias


@keras.saving.register_keras_serializable(package="keras_cabvit")
class FusedCrossBlockAttentionComputedBias(_FusedAttention):
    """`CrossBlockAttention` for inference, with biases computed in every call.

    Smaller and slower than `FusedCrossBlockAttention`, which stores them.

    Args:
        norm, query, key, value, projection, digest_norm: as in `FusedCrossBlockAttention`.
        num_heads, position_bias, scale_digests, grid: as in `FusedCrossBlockAttention`.
        **kwargs: `name` and the like, for `keras.layers.Layer`.

    Call arguments and output: as in `CrossBlockAttention`.

    Weights: `position_bias` and `digest_bias`, as in `CrossBlockAttention`.
    """

    def _build_bias(self):
        if self.use_position_bias:
            shape = (self.num_heads, self.layout.height, self.layout.width)
            self.position_bias = self.add_weight(shape, "zeros", name="position_bias")
        if self.digest_blocks:
            shape = (self.num_heads, self.digest_blocks, *self.layout.digest_grid)
            self.digest_bias = self.add_weight(shape, "zeros", name="digest_bias")

    def _copy_bias(self, layer):
        if self.use_position_bias:
            self.position_bias.assign(exact(layer.position_bias))
        if self.digest_blocks:
            self.digest_bias.assign(exact(layer.digest_bias))

    def expanded_bias(self):
        """Returns the bias that is added to the logits, (heads, tokens or 1, sources), or None."""
        over_tokens = self._over_tokens() if self.use_position_bias else None
        if not self.digest_blocks:
            return over_tokens
        over_digests = ops.reshape(self.digest_bias, (self.num_heads, 1, -1))
        if over_tokens is None:
            return ops.pad(over_digests, ((0, 0), (0, 0), (self.layout.tokens, 0)))
        # LiteRT has a fast kernel for a product, and none for a repetition.
        ones = ops.ones((self.layout.tokens, 1), self.compute_dtype)
        return ops.concatenate([over_tokens, ops.matmul(ones, over_digests)], axis=-1)

    def _over_tokens(self):
        # The TFLite converter would compute a gather from weights once and store the result, which
        # this class must avoid.
        height, width, _ = self.layout
        rows, columns = (_one_hot_offsets(side, self.compute_dtype) for side in (height, width))
        table = ops.matmul(ops.matmul(rows, self.position_bias), columns.T)
        return pairs_of_tokens(table, self.num_heads, height, width)


def _one_hot_offsets(side, dtype):
    """Returns one row per pair of positions along a side, with a 1 at |i - j|."""
    return (offsets(side)[:, None] == np.arange(side)).astype(dtype)
