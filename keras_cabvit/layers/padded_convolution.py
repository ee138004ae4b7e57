"""Convolutions that pad both sides equally, as PyTorch does.

Keras' own padding="same" pads a strided convolution more on the right than on the left.
"""

import keras
from keras import ops

from keras_cabvit.layers.numpy_arguments import accepts_numpy


class SymmetricPadding:
    """Mixin for Keras' 2D convolutions with odd kernels: pads half a kernel on every side."""

    @accepts_numpy
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs, padding="valid", data_format="channels_last")
        if not all(side % 2 for side in self.kernel_size):
            raise ValueError(
                "`kernel_size` must be odd, so that the padding is the same on both sides. "
                f"Received: kernel_size={self.kernel_size}"
            )
        # Without a stride Keras pads both sides equally, and backends pad faster than `ops.pad`.
        self.pads_itself = max(self.strides) > 1 and max(self.kernel_size) > 1
        if not self.pads_itself:
            self.padding = "same"

    def call(self, inputs):
        """Returns the convolution of the padded feature map."""
        if self.pads_itself:
            inputs = ops.pad(
                inputs, [(0, 0), *((side // 2,) * 2 for side in self.kernel_size), (0, 0)]
            )
        return super().call(inputs)

    def compute_output_shape(self, input_shape):
        """Returns (batch, ceil(height / strides), ceil(width / strides), channels out)."""
        if self.pads_itself:
            batch, *sides, channels = input_shape
            sides = (
                None if side is None else side + 2 * (kernel // 2)
                for side, kernel in zip(sides, self.kernel_size, strict=True)
            )
            input_shape = (batch, *sides, channels)
        return super().compute_output_shape(input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["padding"], config["data_format"]
        return config


@keras.saving.register_keras_serializable(package="keras_cabvit")
class PaddedConv2D(SymmetricPadding, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with half a kernel of padding on every side, channels last.

    Args:
        *args, **kwargs: arguments of `keras.layers.Conv2D` except `padding` and `data_format`. The
            kernel's sides must be odd.

    Raises:
        ValueError: a side of the kernel is even.

    Example:
        >>> layer = keras_cabvit.layers.PaddedConv2D(8, 3, strides=2)
        >>> tuple(layer(np.ones((1, 14, 14, 4), "float32")).shape)
        (1, 7, 7, 8)
    """


@keras.saving.register_keras_serializable(package="keras_cabvit")
class PaddedDepthwiseConv2D(SymmetricPadding, keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` with half a kernel of padding on every side, channels last.

    Args:
        *args, **kwargs: arguments of `keras.layers.DepthwiseConv2D` except `padding` and
            `data_format`. The kernel's sides must be odd.

    Raises:
        ValueError: a side of the kernel is even.

    Example:
        >>> layer = keras_cabvit.layers.PaddedDepthwiseConv2D(7, strides=4)
        >>> tuple(layer(np.ones((1, 14, 14, 4), "float32")).shape)
        (1, 4, 4, 4)
    """
