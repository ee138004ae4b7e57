"""A depthwise convolution with a large kernel, as a sum of convolutions with flat kernels."""

import functools
import operator
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_cabvit.inference.fusing import Forms
from keras_cabvit.layers.padded_convolution import SymmetricPadding


class FlatDepthwiseConv2D(SymmetricPadding, keras.layers.DepthwiseConv2D):
    """A depthwise convolution that computes at most three rows of a larger kernel at a time.

    XNNPACK, which runs TFLite models, has fast depthwise kernels of up to 25 taps. A 7x7 kernel has
    49 and runs as a general convolution. Its three middle rows and the pairs of outer rows together
    are five times as fast, and have the same sum. Rows that would only ever meet padding are left
    out: they give zeros, from which quantisation can derive no range.

    Args:
        **kwargs: arguments of `keras_cabvit.layers.PaddedDepthwiseConv2D`.

    Input: a feature map (batch, height, width, channels) of known height.
    Output: the feature map that `PaddedDepthwiseConv2D` gives.
    """

    ROWS = 3

    @classmethod
    def from_trained(cls, layer: keras.layers.Layer, forms: Forms) -> "FlatDepthwiseConv2D":
        """Creates the form of a `PaddedDepthwiseConv2D`.

        Args:
            layer: `PaddedDepthwiseConv2D`.
            forms: `keras_cabvit.inference.fusing.Forms`, which copies the layer.
        """
        return forms.copy(layer, cls)

    def call(self, inputs: Any) -> Any:
        """Returns the convolution of the padded feature map."""
        if self.kernel_size[0] <= self.ROWS or max(self.dilation_rate) > 1:
            return super().call(inputs)
        parts = self._around_the_middle if self.strides[0] == 1 else self._one_after_another
        first, *others = parts(inputs)
        if self.use_bias:
            first = first + self.bias  # where it costs nothing: a convolution includes a bias
        return self.activation(functools.reduce(operator.add, others, first))

    def _around_the_middle(self, inputs: Any) -> Iterator[Any]:
        """Yields parts whose kernels are symmetric about the middle, each with its own padding.

        The two rows at the same distance above and below the middle form a dilated two-row kernel.
        """
        middle = self.kernel_size[0] // 2
        reach = (self.ROWS - 1) // 2
        kernels = [(self.kernel[middle - reach : middle + reach + 1], 1)]
        for distance in range(reach + 1, min(middle + 1, inputs.shape[1])):
            pair = [self.kernel[middle + side] for side in (-distance, distance)]
            kernels.append((ops.stack(pair), 2 * distance))
        for kernel, dilation in kernels:
            yield ops.depthwise_conv(
                inputs,
                kernel,
                padding="same",
                data_format="channels_last",
                dilation_rate=(dilation, 1),
            )

    def _one_after_another(self, inputs: Any) -> Iterator[Any]:
        """Yields parts whose kernels are adjacent rows, each on the input rows that it meets."""
        (kernel_height, kernel_width), stride = self.kernel_size, self.strides[0]
        top, side, height = kernel_height // 2, kernel_width // 2, inputs.shape[1]
        outputs = (height + 2 * top - kernel_height) // stride + 1
        starts = range(0, outputs * stride, stride)  # where the windows of the outputs begin
        used = [
            row
            for row in range(kernel_height)
            if any(top <= start + row < top + height for start in starts)
        ]
        padded = ops.pad(inputs, [(0, 0), (top, top), (side, side), (0, 0)])
        for first in range(used[0], used[-1] + 1, self.ROWS):
            kernel = self.kernel[first : min(first + self.ROWS, used[-1] + 1)]
            yield ops.depthwise_conv(
                padded[:, first : first + starts[-1] + kernel.shape[0]],
                kernel,
                strides=self.strides,
                padding="valid",
                data_format="channels_last",
            )
