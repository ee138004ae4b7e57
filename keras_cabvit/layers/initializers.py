"""An initializer that Keras lacks: uniform by fan-in, for depthwise kernels."""

import math
import random

import keras


@keras.saving.register_keras_serializable(package="keras_cabvit")
class DepthwiseFanInUniform(keras.initializers.Initializer):
    """Draws a depthwise kernel from uniform(-1/sqrt(fan_in), 1/sqrt(fan_in)).

    The fan-in of a depthwise convolution is just its window, because each output channel reads one
    input channel. `keras.initializers.VarianceScaling` would multiply the window by the number of
    channels and draw values that are too small. This is PyTorch's default for convolutions,
    which the plain (DeiT-like) model keeps.

    Args:
        seed: integer; None draws a new one for each instance, from Python's `random` (which
            `keras.utils.set_random_seed` seeds).

    Example:
        >>> kernel = keras_cabvit.layers.DepthwiseFanInUniform(seed=0)(shape=(7, 7, 64, 1))
        >>> bool(keras.ops.max(keras.ops.abs(kernel)) <= 1 / 7)
        True
    """

    def __init__(self, seed=None):
        self._configured_seed = seed
        self.seed = seed if seed is not None else random.randint(1, 10**9)

    def __call__(self, shape, dtype=None):
        """Returns values for a kernel of shape (height, width, channels, multiplier)."""
        limit = 1.0 / math.sqrt(shape[0] * shape[1])
        return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=self.seed)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"seed": self._configured_seed}
