"""Stochastic depth drops whole examples in training, and LayerScale scales channels."""

import numpy as np
import pytest
from tiny_models import block, filled, outputs

from keras_cabvit.layers import DropPath, LayerScale

pytestmark = pytest.mark.every_backend


def test_drops_whole_examples_and_scales_up_the_others():
    inputs = np.random.default_rng(0).uniform(1, 2, (200, 3, 2)).astype("float32")
    found = outputs(DropPath(0.25, seed=0), inputs, training=True)
    kept = found[:, 0, 0] != 0
    np.testing.assert_allclose(found[kept], inputs[kept] / 0.75, rtol=1e-6)
    np.testing.assert_array_equal(found[~kept], 0)
    assert 0.15 < 1 - kept.mean() < 0.35


def test_inference_drops_nothing():
    inputs = np.ones((16, 3), "float32")
    np.testing.assert_array_equal(outputs(DropPath(0.9), inputs), inputs)


def test_block_drops_both_branches_per_example():
    # In 64 copies of one example, each of two branches is kept or dropped: four different results.
    layer = block(num_heads=1, merge=False, layer_scale_init=1.0, drop_path_rate=0.5)
    inputs = np.repeat(np.random.default_rng(0).standard_normal((1, 2, 2, 4)), 64, axis=0)
    layer.build(inputs.shape)
    filled(layer)
    # The batch's statistics would mix the examples; a frozen BatchNorm uses the moving ones.
    layer.merge_enhancement.enhancement.norm.trainable = False
    found = outputs(layer, inputs.astype("float32"), training=True)
    assert len(np.unique(found.reshape(64, -1).round(3), axis=0)) == 4


def test_layer_scale_starts_at_one_millionth():
    found = outputs(LayerScale(), np.full((2, 3, 4), 2.0, "float32"))
    np.testing.assert_allclose(found, 2e-6)


def test_layer_scale_has_one_factor_per_channel():
    layer = LayerScale()
    layer.build((None, 2, 3))
    layer.gamma.assign([1.0, 2.0, 3.0])
    np.testing.assert_allclose(outputs(layer, np.ones((1, 2, 3), "float32")), [[[1, 2, 3]] * 2])
