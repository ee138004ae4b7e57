"""A depthwise convolution with a large kernel, as a sum of convolutions with flat ones."""

import functools
import operator

from keras import ops


def depthwise_by_rows(layer, inputs, rows):
    """Computes a depthwise convolution some rows of its kernel at a time.

    XNNPACK, which runs TFLite models, has fast depthwise kernels of up to 25 taps. A 7x7 kernel has
    49 and runs as a general convolution; its three middle rows, and the others two by two, are five
    times as fast together, and the sum is the same. Rows that would only ever meet padding are left
    out: they give zeros, of which quantisation can make no range.

    Args:
        layer: a built `keras.layers.DepthwiseConv2D` with an odd kernel, channels last, not
            dilated.
        inputs: a feature map (batch, height, width, channels) of known height, not padded.
        rows: integer, at most so many rows of the kernel at a time, 2 or more.

    Returns:
        A feature map, what the layer gives with half a kernel of zeros on all sides.
    """
    parts = _around_the_middle if layer.strides[0] == 1 else _one_after_another
    first, *others = parts(layer, inputs, rows)
    if layer.use_bias:  # with the first, where it costs nothing: a convolution takes a bias along
        first = first + layer.bias
    return functools.reduce(operator.add, others, first)


def _around_the_middle(layer, inputs, rows):
    """Yields parts whose kernels are symmetric about the middle, so that each is padded itself.

    The rows at a distance above and below the middle are a kernel of two rows, dilated.
    """
    middle = layer.kernel_size[0] // 2
    reach = min((rows - 1) // 2, middle)
    kernels = [(layer.kernel[middle - reach : middle + reach + 1], 1)]
    for distance in range(reach + 1, min(middle + 1, inputs.shape[1])):
        pair = [layer.kernel[middle + side] for side in (-distance, distance)]
        kernels.append((ops.stack(pair), 2 * distance))
    for kernel, dilation in kernels:
        yield ops.depthwise_conv(
            inputs,
            kernel,
            padding="same",
            data_format="channels_last",
            dilation_rate=(dilation, 1),
        )


def _one_after_another(layer, inputs, rows):
    """Yields parts whose kernels are of adjacent rows, each on the rows of the inputs it meets."""
    (kernel_height, kernel_width), stride = layer.kernel_size, layer.strides[0]
    top, side, height = kernel_height // 2, kernel_width // 2, inputs.shape[1]
    outputs = (height + 2 * top - kernel_height) // stride + 1
    starts = range(0, outputs * stride, stride)  # where the windows of the outputs begin
    used = [
        row
        for row in range(kernel_height)
        if any(top <= start + row < top + height for start in starts)
    ]
    padded = ops.pad(inputs, [(0, 0), (top, top), (side, side), (0, 0)])
    for first in range(used[0], used[-1] + 1, rows):
        kernel = layer.kernel[first : min(first + rows, used[-1] + 1)]
        yield ops.depthwise_conv(
            padded[:, first : first + starts[-1] + kernel.shape[0]],
            kernel,
            strides=layer.strides,
            padding="valid",
            data_format="channels_last",
        )
