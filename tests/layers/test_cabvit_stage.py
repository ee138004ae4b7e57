"""The block's order of parts, and the stage's memory of digest tokens."""

import keras
import numpy as np
import numpy_layers
import pytest
import tiny_models
from tiny_models import filled, outputs

from keras_cabvit.layers import (
    CabViTBlock,
    CabViTStage,
    CrossBlockAttention,
    TokenMergeEnhancement,
)

GRID = (5, 3)  # 15 tokens, which a block merges into 2x1 digest tokens


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def stage_of(depth, max_digests=12):
    stage = tiny_models.stage(depth, max_digests, epsilon=0.1)
    stage.build((2, *GRID, 8))
    return filled(stage)


def inspected(stage, inputs):
    """Returns the dict of a stage's intermediates as numpy arrays."""
    return outputs(lambda x, training: stage(x, return_intermediates=True), inputs)


def numpy_block(block, x, digests):
    """Attention, merge and enhancement of its output, channel mixing."""
    tokens = x.reshape(len(x), -1, x.shape[-1])
    attention = numpy_layers.cross_block_attention
    attended, maps = attention(block.attention, tokens, digests, GRID, epsilon=0.1)
    attended = attended.reshape(x.shape)
    x, own_digests = numpy_layers.enhance(block.merge_enhancement, attended), None
    if block.merge_enhancement.merge:
        own_digests = numpy_layers.merge(block.merge_enhancement, attended)
    return x + numpy_layers.channel_mixing(block.channel_mixing, x, epsilon=0.1), own_digests, maps


def numpy_stage(stage, x, max_digests):
    """Returns the output, the memory that the last block saw, and all attention maps."""
    left, memory, all_maps = [], None, []
    for block in stage.blocks:
        if left:
            latest = left[max(0, len(left) - max_digests) :]  # oldest first
            memory = np.concatenate(latest, axis=1)
        x, own_digests, maps = numpy_block(block, x, memory)
        all_maps.append(maps)
        left.append(own_digests)
    return x, memory, all_maps


@pytest.mark.every_backend
def test_block():
    block = tiny_models.block(epsilon=0.1)
    inputs, digests = normal(2, *GRID, 8), normal(2, 4, 8, seed=1)
    block.build(inputs.shape, digests.shape)
    filled(block)
    found, found_digests = outputs(lambda x, training: block(x, digests), inputs)
    expected, expected_digests, _ = numpy_block(block, inputs, digests)
    np.testing.assert_allclose(found, expected, atol=5e-5)
    np.testing.assert_allclose(found_digests, expected_digests, atol=5e-5)
    assert len(block.channel_mixing.norms) == 2


@pytest.mark.parametrize("max_digests", [12, pytest.param(2, marks=pytest.mark.every_backend), 1])
def test_blocks_attend_to_the_latest_digests_oldest_first(max_digests):
    stage, inputs = stage_of(depth=4, max_digests=max_digests), normal(2, *GRID, 8)
    found = inspected(stage, inputs)
    expected, expected_memory, expected_maps = numpy_stage(stage, inputs, max_digests)
    np.testing.assert_allclose(found["tokens"][-1], expected, atol=1e-4)
    np.testing.assert_allclose(found["digests"], expected_memory, atol=1e-4)
    for found_map, expected_map in zip(found["maps"], expected_maps, strict=True):
        np.testing.assert_allclose(found_map, expected_map, atol=1e-4)
        np.testing.assert_allclose(found_map.sum(axis=-1), 1, atol=1e-5)


def test_digest_weights_are_those_of_the_latest_blocks():
    stage = stage_of(depth=4, max_digests=2)
    blocks = [block.attention.digest_blocks for block in stage.blocks]
    assert blocks == [0, 1, 2, 2]
    assert tuple(stage.blocks[3].attention.digest_bias.shape) == (2, 2, 2, 1)


def test_last_block_outputs_no_digests():
    stage = stage_of(depth=2)
    assert [block.merge_enhancement.merge for block in stage.blocks] == [True, False]


@pytest.mark.every_backend
def test_without_digests_the_blocks_attend_to_their_own_tokens():
    stage, inputs = stage_of(depth=3, max_digests=0), normal(2, *GRID, 8)
    found = inspected(stage, inputs)
    assert sorted(found) == ["maps", "tokens"]
    assert [attention.shape for attention in found["maps"]] == [(2, 2, 15, 15)] * 3
    assert not any(block.merge_enhancement.merge for block in stage.blocks)


def test_intermediates_do_not_change_the_output():
    stage, inputs = stage_of(depth=3), normal(2, *GRID, 8)
    found = inspected(stage, inputs)
    np.testing.assert_array_equal(found["tokens"][-1], outputs(stage, inputs))
    assert len(found["tokens"]) == 3
    # The first block's tokens are those of a stage that has only this block.
    (first, *_), (tokens, *_) = stage.blocks, found["tokens"]
    alone, _ = outputs(first, inputs)
    np.testing.assert_allclose(tokens, alone, atol=1e-6)


@pytest.mark.every_backend
def test_intermediates_of_a_functional_model():
    stage, inputs = stage_of(depth=3), normal(2, *GRID, 8)
    image = keras.Input(inputs.shape[1:])
    found = stage(image, return_intermediates=True)
    assert [tokens.shape for tokens in found["tokens"]] == [(None, 5, 3, 8)] * 3
    assert found["digests"].shape == (None, 4, 8)
    assert [maps.shape for maps in found["maps"]] == [
        (None, 2, 15, sources) for sources in (15, 17, 19)
    ]
    model = keras.Model(image, found)
    expected = inspected(stage, inputs)
    keras.tree.map_structure(
        lambda one, other: np.testing.assert_allclose(one, other, atol=1e-5),
        outputs(model, inputs),
        expected,
    )


@pytest.mark.every_backend
def test_memory_starts_empty_in_every_call():
    stage = stage_of(depth=3)
    inputs, others = normal(2, *GRID, 8), normal(2, *GRID, 8, seed=1)
    first = outputs(stage, inputs)
    outputs(stage, others)
    np.testing.assert_array_equal(outputs(stage, inputs), first)


class NoMixing(keras.layers.Identity):
    """A part without weights, which Keras marks as built from its beginning."""

    def call(self, inputs, residual=None, training=None):
        return inputs if residual is None else residual


def test_part_without_weights_may_be_built_from_its_beginning():
    attention, merge = CrossBlockAttention(2), TokenMergeEnhancement()
    block = CabViTBlock(attention, merge, NoMixing())
    block(np.ones((1, 4, 4, 8), "float32"))

    assert block.built
    assert block.count_params() == attention.count_params() + merge.count_params()


def test_parts_of_another_layer_are_refused_and_stay_as_they_are():
    model = tiny_models.filled(tiny_models.two_blocks())
    x = np.random.default_rng(0).standard_normal((1, 5, 3, 8)).astype("float32")
    expected = tiny_models.outputs(model, x)
    stage = model.get_layer("stage_2")
    for late in (
        CabViTStage(stage.blocks[1:]),
        CabViTBlock(
            stage.blocks[1].attention,
            stage.blocks[1].merge_enhancement,
            stage.blocks[1].channel_mixing,
        ),
    ):
        with pytest.raises(ValueError, match="is built already, such as in another layer"):
            late(np.ones((1, 3, 2, 8), "float32"))

    np.testing.assert_array_equal(tiny_models.outputs(model, x), expected)
