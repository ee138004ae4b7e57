"""`CrossBlockAttention` against its definition in numpy."""

import numpy as np
import numpy_layers
import pytest
from tiny_models import filled, outputs

from keras_cabvit.layers import CrossBlockAttention

# On a 5x3 grid a block outputs 2x1 digest tokens; 6 of them come from three blocks.
GRID = (5, 3)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


@pytest.mark.every_backend
@pytest.mark.parametrize("blocks", [0, 3])
def test_on_a_map(blocks):
    layer = CrossBlockAttention(num_heads=2, epsilon=0.1)
    inputs = normal(2, *GRID, 8)
    digests = normal(2, 2 * blocks, 8, seed=1) if blocks else None
    shapes = [inputs.shape] + ([digests.shape] if blocks else [])
    layer.build(*shapes)
    filled(layer)

    found, maps = outputs(lambda x, training: layer(x, digests, return_attention_maps=True), inputs)
    expected, expected_maps = numpy_layers.cross_block_attention(
        layer, inputs.reshape(2, 15, 8), digests, GRID, epsilon=0.1
    )
    np.testing.assert_allclose(found.reshape(2, 15, 8), expected, atol=1e-5)
    np.testing.assert_allclose(maps, expected_maps, atol=1e-6)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=1e-6)


@pytest.mark.every_backend
@pytest.mark.parametrize("blocks", [0, 3])
def test_on_tokens_with_a_class_token(blocks):
    layer = CrossBlockAttention(
        num_heads=2, position_bias=False, layer_scale_init=None, epsilon=0.1, grid=GRID
    )
    inputs = normal(2, 16, 8)
    digests = normal(2, 2 * blocks, 8, seed=1) if blocks else None
    shapes = [inputs.shape] + ([digests.shape] if blocks else [])
    layer.build(*shapes)
    filled(layer)

    found = outputs(lambda x, training: layer(x, digests), inputs)
    expected, _ = numpy_layers.cross_block_attention(layer, inputs, digests, None, epsilon=0.1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_negative_scale_factor_changes_the_output():
    layer = CrossBlockAttention(num_heads=2)
    inputs, digests = normal(1, 4, 4, 8), normal(1, 1, 8, seed=1)
    layer.build(inputs.shape, digests.shape)
    filled(layer)
    results = []
    for factor in (2.0, 1.0, -1.0):
        layer.digest_scale.assign(np.full((1, 1, 1), factor))
        results.append(outputs(lambda x, training: layer(x, digests), inputs))
    twice, once, negative = results
    assert np.abs(once - negative).max() > 0.01
    # LayerNorm undoes a positive factor, up to its epsilon.
    np.testing.assert_allclose(twice, once, atol=1e-4)


def test_frozen_shapes_of_stored_weights():
    layer = CrossBlockAttention(num_heads=2)
    layer.build((None, *GRID, 8), (None, 6, 8))
    assert tuple(layer.position_bias.shape) == (2, 5, 3)
    assert tuple(layer.digest_bias.shape) == (2, 3, 2, 1)
    assert tuple(layer.digest_scale.shape) == (3, 2, 1)


def test_initial_weights_match_the_published_model():
    layer = CrossBlockAttention(num_heads=2)
    layer.build((None, *GRID, 64), (None, 6, 64))
    for bias in (layer.position_bias, layer.digest_bias, layer.query.bias, layer.projection.bias):
        np.testing.assert_array_equal(bias, np.zeros(bias.shape))
    np.testing.assert_array_equal(layer.digest_scale, np.ones((3, 2, 1)))
    np.testing.assert_array_equal(layer.layer_scale.gamma, np.full(64, 1e-6, "float32"))
