"""`TokenMergeEnhancement` against its definition in numpy."""

import numpy as np
import numpy_layers
import pytest
from tiny_models import filled, outputs

from keras_cabvit.layers import TokenMergeEnhancement


def built(shape, **arguments):
    layer = TokenMergeEnhancement(**arguments)
    layer.build(shape)
    inputs = np.random.default_rng(0).standard_normal(shape).astype("float32")
    return filled(layer), inputs


@pytest.mark.every_backend
@pytest.mark.parametrize("grid", [(7, 9), (4, 2)])
def test_on_a_map(grid):
    layer, inputs = built((2, *grid, 6))
    enhanced, digests = outputs(layer, inputs)
    np.testing.assert_allclose(enhanced, numpy_layers.enhance(layer, inputs), atol=1e-5)
    np.testing.assert_allclose(digests, numpy_layers.merge(layer, inputs), atol=1e-5)


@pytest.mark.parametrize(
    ("grid", "tokens"), [((14, 14), 16), ((7, 7), 4), ((8, 4), 2), ((5, 9), 6), ((1, 1), 1)]
)
def test_one_digest_token_per_4x4_tokens_rounded_up(grid, tokens):
    layer = TokenMergeEnhancement()
    _, digests = layer.compute_output_shape((2, *grid, 3))
    assert digests == (2, tokens, 3)
    _, digests = outputs(layer, np.ones((2, *grid, 3), "float32"))
    assert digests.shape == (2, tokens, 3)


@pytest.mark.every_backend
def test_class_token_bypasses_both_convolutions():
    layer, inputs = built((2, 1 + 5 * 3, 6), grid=(5, 3))
    enhanced, digests = outputs(layer, inputs)
    np.testing.assert_array_equal(enhanced[:, 0], inputs[:, 0])

    patches, enhanced = (x[:, 1:].reshape(2, 5, 3, 6) for x in (inputs, enhanced))
    np.testing.assert_allclose(enhanced, numpy_layers.enhance(layer, patches), atol=1e-5)
    np.testing.assert_allclose(digests, numpy_layers.merge(layer, patches), atol=1e-5)


def test_only_enhances_without_merge():
    layer, inputs = built((2, 5, 3, 6), merge=False)
    assert outputs(layer, inputs).shape == (2, 5, 3, 6)
    # Depthwise 3x3 kernel and BatchNorm's four; nothing is stored for merging.
    assert len(layer.weights) == 5
