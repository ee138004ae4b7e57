"""`ChannelMixing` and the ConvNeXt block against their definitions in numpy."""

import keras
import numpy as np
import numpy_layers
import pytest
from numpy_layers import convolution, weight
from tiny_models import filled, outputs

from keras_cabvit.layers import ChannelMixing, ConvNeXtBlock

pytestmark = pytest.mark.every_backend


@pytest.mark.parametrize("norm_count", [1, 2])
def test_channel_mixing(norm_count):
    layer = ChannelMixing(mlp_ratio=3, norm_count=norm_count, epsilon=0.1)
    inputs = np.random.default_rng(0).standard_normal((2, 3, 6)).astype("float32")
    layer.build(inputs.shape)
    filled(layer)
    expected = numpy_layers.channel_mixing(layer, inputs, epsilon=0.1)
    np.testing.assert_allclose(outputs(layer, inputs), expected, atol=1e-5)
    assert len(layer.norms) == norm_count
    assert layer.expand.units == 18


def test_residual_is_added():
    layer = ChannelMixing()
    inputs, residual = np.random.default_rng(0).standard_normal((2, 2, 3, 4, 6)).astype("float32")
    layer.build(inputs.shape)
    filled(layer)
    found = keras.ops.convert_to_numpy(layer(inputs, residual))
    np.testing.assert_allclose(found, residual + outputs(layer, inputs), atol=1e-5)


def test_gelu_is_exact():
    layer = ChannelMixing(mlp_ratio=0.5, layer_scale_init=None)
    layer.build((1, 2))
    # LayerNorm turns the inputs into (-1, 1); the bias sets the hidden value, and the output is its
    # GELU alone.
    layer.expand.kernel.assign(np.zeros((2, 1)))
    layer.project.kernel.assign([[1.0, 0.0]])
    for value in (-2.0, 1.0, 2.2):
        layer.expand.bias.assign([value])
        found = outputs(layer, np.array([[0.0, 1.0]], "float32"))[0, 0]
        # The tanh approximation is 2e-4 off or more at these values.
        assert abs(found - numpy_layers.gelu(value)) < 1e-6


def test_convnext_block():
    layer = ConvNeXtBlock()
    inputs = np.random.default_rng(0).standard_normal((2, 8, 5, 4)).astype("float32")
    layer.build(inputs.shape)
    filled(layer)
    x = convolution(inputs, weight(layer.depthwise.kernel), 1, 3, depthwise=True)
    x += weight(layer.depthwise.bias)
    expected = inputs + numpy_layers.channel_mixing(layer.channel_mixing, x, epsilon=1e-6)
    np.testing.assert_allclose(outputs(layer, inputs), expected, atol=2e-5)
