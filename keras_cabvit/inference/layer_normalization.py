"""The inference form of LayerNormalization."""

import keras
from keras import ops

from keras_cabvit.ops import at_least_single


@keras.saving.register_keras_serializable(package="keras_cabvit")
class FusedLayerNormalization(keras.layers.LayerNormalization):
    """LayerNormalization that subtracts the mean first and can absorb per-token factors.

    Keras' own computes `x * factor - mean * factor`, which is mathematically the same; in int8 it
    is the difference of two rounded values, and its SQUARED_DIFFERENCE is slow in TFLite.

    Args:
        **kwargs: arguments of `keras.layers.LayerNormalization`; the axis is the last one.

    Call arguments:
        inputs: tensor (batch, ..., channels).
        token_scale: a tensor (1, tokens, 1) by which the inputs would otherwise be multiplied
            beforehand, or None, the default. A factor only affects the sign and the weight of
            epsilon, so it is applied there: the products themselves, which differ from token to
            token by orders of magnitude, are never stored.

    Output: a tensor of the input's shape.

    Example:
        >>> layer = keras_cabvit.inference.FusedLayerNormalization(epsilon=1e-5)
        >>> tokens = np.array([[[1.0, 2.0, 3.0]]], "float32")
        >>> scaled = layer(tokens, token_scale=np.array([[[-2.0]]], "float32"))
        >>> [round(float(value), 2) for value in scaled[0, 0]]
        [1.22, 0.0, -1.22]
    """

    @classmethod
    def from_trained(cls, layer, forms):
        """Creates the form of a LayerNormalization, or a copy if it normalises differently.

        Args:
            layer: `keras.layers.LayerNormalization`.
            forms: `fusing.Forms`, which copies the layer.
        """
        if layer.rms_scaling or layer.axis not in (-1, [-1]):
            return forms.copy(layer)
        return forms.copy(layer, cls)

    def call(self, inputs, token_scale=None):
        """Returns the inputs with mean 0 and variance 1, times `gamma`, plus `beta`."""
        dtype = at_least_single(self.compute_dtype)
        x = ops.cast(inputs, dtype) if dtype != self.compute_dtype else inputs
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        squares = centred * centred
        if token_scale is None:
            factor = ops.rsqrt(ops.mean(squares, axis=-1, keepdims=True) + self.epsilon)
        else:
            scale = ops.cast(token_scale, x.dtype)
            # The bound prevents a factor of exactly 0 from giving an infinity.
            epsilon = self.epsilon / ops.maximum(ops.square(scale), 1e-30)
            factor = ops.sign(scale) * ops.rsqrt(self.mean_plus(squares, epsilon))
        outputs = centred * factor
        if self.gamma is not None:
            outputs = outputs * ops.cast(self.gamma, x.dtype)
        if self.beta is not None:
            outputs = outputs + ops.cast(self.beta, x.dtype)
        return ops.cast(outputs, self.compute_dtype)

    def mean_plus(self, squares, epsilon):
        """Returns the mean over the channels, plus a value per token.

        The value is added inside the mean: after it, OpenVINO would add the values of other tokens
        (docs/openvino-bug.md).

        Args:
            squares: tensor (batch, tokens, channels).
            epsilon: tensor (1, tokens, 1).

        Returns:
            A tensor (batch, tokens, 1).
        """
        return ops.mean(squares + epsilon, axis=-1, keepdims=True)
