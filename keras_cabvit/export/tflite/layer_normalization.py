"""LayerNormalization with the epsilon of each token added after the mean."""

from typing import Any

from keras import ops

from keras_cabvit.inference import FusedLayerNormalization


class LateEpsilonLayerNormalization(FusedLayerNormalization):
    """`FusedLayerNormalization` that adds a token's epsilon to the mean of its squares.

    XNNPACK does not add one int8 value per token to many: inside the mean, the sum would run in
    LiteRT's own kernel, and the integers-only form would take 1.4 times as long.

    Args:
        **kwargs: arguments of `FusedLayerNormalization`.
    """

    def mean_plus(self, squares: Any, epsilon: Any) -> Any:
        """Returns the mean of (batch, tokens, channels) over the channels, plus (1, tokens, 1)."""
        return ops.mean(squares, axis=-1, keepdims=True) + epsilon
