"""In half precision, the softmax and the statistics of LayerNorm are computed in float32."""

import numpy as np
import pytest
from numpy_layers import softmax
from tiny_models import filled, outputs

from keras_cabvit.layers import ChannelMixing, CrossBlockAttention

# Per policy, a number so large that adding small ones is lost: its neighbours are 1 or 2 away.
OFFSETS = {"mixed_bfloat16": 256.0, "mixed_float16": 2048.0}
POLICIES = [
    pytest.param("mixed_bfloat16", marks=pytest.mark.every_backend),
    "mixed_float16",
]


@pytest.mark.parametrize("policy", POLICIES)
def test_softmax(policy):
    """All logits share an offset that would swallow the biases in half precision."""
    layer = CrossBlockAttention(num_heads=1, dtype=policy)
    layer.build((1, 2, 2, 16), (1, 1, 16))
    for kernel in (layer.query.kernel, layer.key_value.kernel):
        kernel.assign(np.zeros(kernel.shape))
    side = np.sqrt(OFFSETS[policy] / 4)  # 16 channels: q.k / sqrt(16) = 4 * side**2
    layer.query.bias.assign(np.full(16, side))
    layer.key_value.bias.assign(np.full(32, side))
    layer.position_bias.assign(np.array([[[0.0, 0.25], [0.5, 0.75]]]))
    layer.digest_bias.assign(np.full((1, 1, 1, 1), 0.375))

    rng = np.random.default_rng(0)
    inputs, digests = rng.standard_normal((1, 2, 2, 16)), rng.standard_normal((1, 1, 16))
    _, maps = outputs(lambda x, training: layer(x, digests, return_attention_maps=True), inputs)
    expected = softmax(np.array([0.0, 0.25, 0.5, 0.75, 0.375]))
    np.testing.assert_allclose(maps[0, 0, 0].astype("float32"), expected, rtol=0.01)


@pytest.mark.parametrize("policy", POLICIES)
def test_statistics_of_layer_norm(policy):
    """Deviations from a large mean are whole numbers, which half precision can still represent."""
    deviations = np.random.default_rng(0).integers(0, 4, (3, 64)) * 2.0
    inputs = OFFSETS[policy] + deviations
    results = {}
    for dtype in ("float32", policy):
        layer = ChannelMixing(layer_scale_init=None, dtype=dtype)
        layer.build(inputs.shape)
        filled(layer)
        results[dtype] = outputs(layer, inputs.astype("float32")).astype("float32")
    difference = np.abs(results[policy] - results["float32"]).max()
    assert difference < 0.02 * np.abs(results["float32"]).max()


@pytest.mark.parametrize("policy", POLICIES)
def test_statistics_of_both_norms_of_attention(policy):
    deviations = np.random.default_rng(0).integers(0, 4, (1, 5, 64)) * 2.0
    inputs = (OFFSETS[policy] + deviations).astype("float32")
    results = {}
    for dtype in ("float32", policy):
        layer = CrossBlockAttention(num_heads=2, dtype=dtype)
        layer.build((1, 2, 2, 64), (1, 1, 64))
        filled(layer)
        layer.digest_scale.assign(np.ones((1, 1, 1)))
        _, maps = outputs(
            lambda x, training, layer=layer: layer(x, inputs[:, 4:], return_attention_maps=True),
            inputs[:, :4].reshape(1, 2, 2, 64),
        )
        results[dtype] = maps.astype("float32")
    np.testing.assert_allclose(results[policy], results["float32"], atol=0.05)
