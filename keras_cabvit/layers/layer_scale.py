"""LayerScale (Touvron et al. 2021, "Going deeper with image transformers", section 2)."""

import keras

from keras_cabvit.layers.numpy_arguments import accepts_numpy


@keras.saving.register_keras_serializable(package="keras_cabvit")
class LayerScale(keras.layers.Layer):
    """Multiplies each channel by a learned factor that starts near zero.

    A residual branch that ends in it starts out contributing almost nothing, so that deep models
    train.

    Args:
        initial_value: float, initial value of every factor. Defaults to 1e-6, as in the published
            model.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Input and output: a tensor of any rank, channels last.

    Example:
        >>> scale = keras_cabvit.layers.LayerScale(0.5)
        >>> print(keras.ops.convert_to_numpy(scale(keras.ops.ones((1, 3)))))
        [[0.5 0.5 0.5]]
    """

    @accepts_numpy
    def __init__(self, initial_value=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.initial_value = initial_value

    def build(self, input_shape):
        """Creates `gamma`, one factor per channel."""
        self.gamma = self.add_weight(
            name="gamma",
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self.initial_value),
        )

    def call(self, inputs):
        """Returns `inputs * gamma`."""
        return inputs * self.gamma

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "initial_value": self.initial_value}
