"""Convolutions pad as PyTorch does, and their BatchNorm matches PyTorch's."""

import keras
import numpy as np
import numpy_layers
import pytest
from numpy_layers import batch_norm, convolution, weight
from tiny_models import filled, outputs

from keras_cabvit.layers import ConvolutionalStem, ConvolutionNorm, PatchMerging

pytestmark = pytest.mark.every_backend


def built(layer, shape):
    layer.build(shape)
    return filled(layer), np.random.default_rng(0).standard_normal(shape).astype("float32")


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("filters", [4, None])
@pytest.mark.parametrize("grid", [(6, 7)])
def test_pads_both_sides_equally(filters, strides, grid):
    layer, inputs = built(ConvolutionNorm(filters, 3, strides=strides), (2, *grid, 5))
    expected = convolution(
        inputs, weight(layer.convolution.kernel), strides, 1, depthwise=filters is None
    )
    np.testing.assert_allclose(outputs(layer, inputs), batch_norm(expected, layer.norm), atol=1e-5)
    assert layer.compute_output_shape(inputs.shape) == expected.shape


def test_moving_statistics_have_pytorchs_momentum():
    layer = ConvolutionNorm(2, 1)
    layer.build((8, 1, 1, 1))
    layer.convolution.kernel.assign(np.ones((1, 1, 1, 2)))
    inputs = np.arange(8.0, dtype="float32").reshape(8, 1, 1, 1)
    layer(inputs, training=True)
    # PyTorch's momentum 0.1 is Keras' 0.9.
    np.testing.assert_allclose(layer.norm.moving_mean, [0.1 * inputs.mean()] * 2, rtol=1e-5)
    np.testing.assert_allclose(
        layer.norm.moving_variance, [0.9 + 0.1 * inputs.var()] * 2, rtol=1e-5
    )


def test_epsilon_of_batch_norm():
    layer = ConvolutionNorm(1, 1)
    layer.build((1, 1, 1, 1))
    layer.convolution.kernel.assign(np.ones((1, 1, 1, 1)))
    layer.norm.moving_variance.assign([0.0])
    one = outputs(layer, np.ones((1, 1, 1, 1), "float32"))
    np.testing.assert_allclose(one, 1 / np.sqrt(1e-5), rtol=1e-5)


def test_stem():
    layer, inputs = built(ConvolutionalStem(6), (1, 10, 12, 3))
    x = inputs
    for part in (layer.convolution_1, layer.convolution_2):
        if part is layer.convolution_2:
            x = numpy_layers.gelu(x)
        x = batch_norm(convolution(x, weight(part.convolution.kernel), 2, 1), part.norm)
    np.testing.assert_allclose(outputs(layer, inputs), x, atol=1e-5)
    assert layer.compute_output_shape(inputs.shape) == x.shape == (1, 3, 3, 6)


def test_patch_merging():
    layer, inputs = built(PatchMerging(6), (1, 6, 5, 4))
    x = batch_norm(
        convolution(inputs, weight(layer.expand.convolution.kernel), 1, 0), layer.expand.norm
    )
    kernel = weight(layer.depthwise.convolution.kernel)
    x = convolution(numpy_layers.gelu(x), kernel, 2, 1, depthwise=True)
    x = numpy_layers.gelu(batch_norm(x, layer.depthwise.norm))
    x = batch_norm(
        convolution(x, weight(layer.project.convolution.kernel), 1, 0), layer.project.norm
    )
    np.testing.assert_allclose(outputs(layer, inputs), x, atol=1e-5)
    assert layer.compute_output_shape(inputs.shape) == x.shape == (1, 3, 3, 6)


def test_channels_are_last_regardless_of_the_keras_setting(restored_settings):
    keras.config.set_image_data_format("channels_first")
    assert outputs(ConvolutionNorm(5, 3, strides=2), np.ones((1, 6, 4, 3), "float32")).shape == (
        1,
        3,
        2,
        5,
    )
