"""The plain model's patches, and the initializer of its depthwise convolutions."""

import keras
import numpy as np
import pytest
from numpy_layers import convolution, weight
from tiny_models import filled, outputs

from keras_cabvit.layers import DepthwiseFanInUniform, PatchEmbedding

pytestmark = pytest.mark.every_backend


def test_class_token_then_patches_in_row_order_with_their_positions():
    layer = PatchEmbedding(embed_dim=5, patch_size=4)
    inputs = np.random.default_rng(0).standard_normal((2, 8, 12, 3)).astype("float32")
    layer.build(inputs.shape)
    filled(layer)
    patches = convolution(inputs, weight(layer.projection.kernel), 4, 0)
    patches += weight(layer.projection.bias) + weight(layer.patch_positions)
    class_token = weight(layer.class_token) + weight(layer.class_position)
    found = outputs(layer, inputs)
    np.testing.assert_allclose(found[:, 0], [class_token] * 2, atol=1e-5)
    np.testing.assert_allclose(found[:, 1:], patches.reshape(2, 6, 5), atol=1e-5)
    assert layer.compute_output_shape(inputs.shape) == found.shape


def test_depthwise_fan_in_is_only_the_window():
    kernel = np.array(DepthwiseFanInUniform(seed=0)((3, 3, 2000, 1)))
    limit = 1 / 3
    assert np.abs(kernel).max() <= limit
    np.testing.assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=0.02)


def test_each_instance_draws_its_own_values_unless_seeded():
    shape = (3, 3, 4, 1)
    draws = [np.array(DepthwiseFanInUniform(seed)(shape)) for seed in (None, None, 1, 1)]
    assert np.abs(draws[0] - draws[1]).max() > 0
    np.testing.assert_array_equal(draws[2], draws[3])


def test_set_random_seed_determines_the_draw():
    kernels = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        kernels.append(np.array(DepthwiseFanInUniform()((3, 3, 4, 1))))
    np.testing.assert_array_equal(*kernels)
