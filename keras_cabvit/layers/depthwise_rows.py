"""A depthwise convolution with a large kernel, as a sum of convolutions with flat ones."""

import functools
import operator

from keras import ops


def depthwise_by_rows(layer, inputs, rows):
    """Computes what a depthwise convolution gives, some rows of its kernel at a time.

    XNNPACK, which runs TFLite models, has fast depthwise kernels of up to 25 taps. A 7x7 kernel has
    49 and runs as a general convolution; 3x7, 3x7 and 1x7 are three times as fast together, and the
    sum is the same.

    Args:
        layer: a built `keras.layers.DepthwiseConv2D`, channels last, not dilated.
        inputs: a feature map (batch, height, width, channels) of known height.
        rows: integer, at most so many rows of the kernel at a time.

    Returns:
        A feature map, what `layer(inputs)` gives.
    """
    height, width = layer.kernel_size
    stride = layer.strides[0]
    if layer.padding == "same":  # of stride 1 and an odd kernel, so alike on both sides
        sides = [(0, 0), (height // 2, height // 2), (width // 2, width // 2), (0, 0)]
        inputs = ops.pad(inputs, sides)
    last = (inputs.shape[1] - height) // stride * stride  # where the last output's window begins
    parts = []
    for first in range(0, height, rows):
        kernel = layer.kernel[first : first + rows]
        part = ops.depthwise_conv(
            inputs[:, first : first + last + kernel.shape[0]],
            kernel,
            strides=layer.strides,
            padding="valid",
            data_format="channels_last",
        )
        # With the first, where it costs nothing: a convolution takes a bias along.
        parts.append(part + layer.bias if layer.use_bias and first == 0 else part)
    return functools.reduce(operator.add, parts)
