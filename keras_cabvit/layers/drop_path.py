"""Stochastic depth (Huang et al. 2016, "Deep networks with stochastic depth")."""

import keras

from keras_cabvit.layers.numpy_arguments import accepts_numpy


@keras.saving.register_keras_serializable(package="keras_cabvit")
class DropPath(keras.layers.Dropout):
    """Drops the whole residual branch of random examples, and scales up the others.

    It is Keras' Dropout with one draw per example instead of one per element.

    Args:
        rate: float in [0, 1), the share of examples whose branch is dropped in training.
        seed: integer, the random seed; None draws a new one.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Input and output: a tensor (batch, ...). At inference the input is returned unchanged.

    Raises:
        ValueError: `rate` is outside [0, 1).

    Example:
        >>> dropped = keras_cabvit.layers.DropPath(0.5, seed=1)(np.ones((8, 4, 4)), training=True)
        >>> sorted(set(keras.ops.convert_to_numpy(dropped).mean(axis=(1, 2)).tolist()))
        [0.0, 2.0]
    """

    @accepts_numpy
    def __init__(self, rate, seed=None, **kwargs):
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be at least 0 and below 1. Received: rate={rate}")
        super().__init__(rate, seed=seed, **kwargs)

    def build(self, input_shape):
        """Sets the shape of the draw from the input's rank: (batch, 1, ..., 1)."""
        self.noise_shape = (None,) + (1,) * (len(input_shape) - 1)

    def get_config(self):
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["noise_shape"]  # follows from the input's rank
        return config
