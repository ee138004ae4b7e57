"""LayerNormalization in the form for inference."""

import keras
from keras import ops

from keras_cabvit.ops import at_least_single


@keras.saving.register_keras_serializable(package="keras_cabvit")
class FusedLayerNormalization(keras.layers.LayerNormalization):
    """LayerNormalization that subtracts the mean first, and takes factors for tokens in.

    Keras' own computes `x * factor - mean * factor`, which is the same in real numbers; as int8 it
    is the difference of two roundings, and its SQUARED_DIFFERENCE is slow in TFLite.

    Args:
        **kwargs: of `keras.layers.LayerNormalization`; the axis is the last one.

    Call arguments:
        inputs: tensor (batch, ..., channels).
        token_scale: None, the default, or a tensor that the inputs would be multiplied by before,
            (1, tokens, 1). A factor changes nothing but the sign, and the weight of epsilon, and so
            it is applied there: the products themselves, which differ from token to token by orders
            of magnitude, are never stored.

    Output: a tensor of the input's shape.

    Example:
        >>> layer = keras_cabvit.inference.FusedLayerNormalization(epsilon=1e-5)
        >>> tokens = np.array([[[1.0, 2.0, 3.0]]], "float32")
        >>> scaled = layer(tokens, token_scale=np.array([[[-2.0]]], "float32"))
        >>> [round(float(value), 2) for value in scaled[0, 0]]
        [1.22, 0.0, -1.22]
    """

    @classmethod
    def from_trained(cls, layer, form):
        """Makes the form of Keras' LayerNormalization, or a copy when it normalises otherwise.

        Args:
            layer: `keras.layers.LayerNormalization`.
            form: function from a layer to its form, see `fusing.Forms`.
        """
        if layer.rms_scaling or layer.axis not in (-1, [-1]):
            return form.copy(layer)
        return form.copy(layer, cls)

    def call(self, inputs, token_scale=None):
        """Returns the inputs with mean 0 and variance 1, times `gamma`, plus `beta`."""
        dtype = at_least_single(self.compute_dtype)
        x = ops.cast(inputs, dtype) if dtype != self.compute_dtype else inputs
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(centred * centred, axis=-1, keepdims=True)
        if token_scale is None:
            factor = ops.rsqrt(variance + self.epsilon)
        else:
            scale = ops.cast(token_scale, x.dtype)
            # The bound keeps a factor of exactly 0 from becoming an infinity.
            epsilon = self.epsilon / ops.maximum(ops.square(scale), 1e-30)
            factor = ops.sign(scale) * ops.rsqrt(variance + epsilon)
        outputs = centred * factor
        if self.gamma is not None:
            outputs = outputs * ops.cast(self.gamma, x.dtype)
        if self.beta is not None:
            outputs = outputs + ops.cast(self.beta, x.dtype)
        return ops.cast(outputs, self.compute_dtype)
