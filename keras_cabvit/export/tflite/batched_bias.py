"""Attention whose biases have a batch axis, as LiteRT's GPU accelerator takes them."""

from typing import Any

from keras import ops

from keras_cabvit.inference import (
    FusedCrossBlockAttention,
    FusedCrossBlockAttentionComputedBias,
)


class _BatchedBias:
    """Adds a batch axis of one to the bias of an attention layer.

    LiteRT's GPU accelerator takes the first axis of a constant stored in int8 for the batch: three
    axes (heads, tokens, sources) become (heads, 1, tokens, sources), which cannot be added to maps
    (1, heads, tokens, sources), and the accelerator refuses the whole file. The converter stores
    small biases even if they are to be computed.
    """

    def expanded_bias(self) -> Any:
        """Returns the bias that is added to the logits, (1, heads, tokens or 1, sources)."""
        bias = super().expanded_bias()  # type: ignore[misc]
        return None if bias is None else ops.expand_dims(bias, 0)


class StoredBatchedBias(_BatchedBias, FusedCrossBlockAttention):
    """`FusedCrossBlockAttention` whose bias has a batch axis."""


class ComputedBatchedBias(_BatchedBias, FusedCrossBlockAttentionComputedBias):
    """`FusedCrossBlockAttentionComputedBias` whose bias has a batch axis."""
