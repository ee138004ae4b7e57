"""`FusedConvolution` against its definition in numpy."""

import keras
import numpy as np
import numpy_layers
import pytest
from numpy_layers import convolution, weight
from tiny_models import filled, outputs

from keras_cabvit.inference import FusedConvolution
from keras_cabvit.layers import PaddedConv2D, PaddedDepthwiseConv2D

pytestmark = pytest.mark.every_backend


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("depthwise", [False, True])
def test_convolution_with_activation(depthwise, kernel_size):
    part = PaddedDepthwiseConv2D(kernel_size) if depthwise else PaddedConv2D(4, kernel_size)
    layer = FusedConvolution(part, activation="gelu")
    inputs = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype("float32")
    layer.build(inputs.shape)
    filled(layer)
    kernel, bias = map(weight, layer.convolution.weights)
    expected = convolution(inputs, kernel, 1, kernel_size // 2, depthwise=depthwise) + bias
    np.testing.assert_allclose(outputs(layer, inputs), numpy_layers.gelu(expected), atol=1e-5)
    assert layer.compute_output_shape(inputs.shape) == expected.shape


def test_1x1_convolution_with_lora():
    layer = FusedConvolution(PaddedConv2D(4, 1), activation="gelu")
    inputs = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype("float32")
    layer.build(inputs.shape)
    layer.convolution.enable_lora(2)
    filled(layer)
    kernel = keras.ops.convert_to_numpy(layer.convolution.kernel)
    expected = convolution(inputs, kernel, 1, 0) + weight(layer.convolution.bias)
    np.testing.assert_allclose(outputs(layer, inputs), numpy_layers.gelu(expected), atol=1e-5)
