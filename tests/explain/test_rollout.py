"""Attention rollout equals its definition, and its rows sum to 1."""

import keras
import numpy as np
import pytest
import tiny_models
from numpy_rollout import convolved, rollout_of_stage

import keras_cabvit
from keras_cabvit.explain import (
    attention_maps,
    attention_rollout,
    block_names,
    grad_cam,
    rollout_map,
)
from keras_cabvit.explain.rollout import depthwise_shares


def kernel_of(convolution):
    return keras.ops.convert_to_numpy(convolution.kernel)[..., 0]


def expected_rollout(stage, maps, image, grid, prefix, rows=None):
    """Returns the rollout of an image through a stage by the numpy definition."""
    kernels = [
        (
            kernel_of(block.merge_enhancement.merge_convolution) if block.merges else None,
            kernel_of(block.merge_enhancement.enhancement.convolution),
        )
        for block in stage.blocks
    ]
    of_stage = [each[image] for name, each in maps.items() if name.startswith(f"{stage.name}/")]
    return rollout_of_stage(of_stage, kernels, grid, prefix, rows)


def test_rollout_of_the_plain_model_equals_its_definition(tiny_plain):
    pixels = tiny_models.images(tiny_plain)
    rows = attention_rollout(tiny_plain, pixels)["stage"]
    maps = attention_maps(tiny_plain, pixels)
    expected = expected_rollout(tiny_plain.get_layer("stage"), maps, 1, (5, 5), prefix=1)
    np.testing.assert_allclose(rows[1], expected, atol=1e-6)
    np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(
        rollout_map(tiny_plain, pixels), rows[:, 0, 1:].reshape(2, 5, 5), atol=1e-6
    )


def test_rollout_of_the_hybrid_passes_patch_merging(tiny_hybrid):
    pixels = tiny_models.images(tiny_hybrid)
    found = attention_rollout(tiny_hybrid, pixels)
    maps = attention_maps(tiny_hybrid, pixels)
    rows = expected_rollout(tiny_hybrid.get_layer("stage_2"), maps, 0, (4, 4), prefix=0)
    np.testing.assert_allclose(found["stage_2"][0], rows, atol=1e-6)

    merging = kernel_of(tiny_hybrid.get_layer("merging_3").depthwise.convolution)
    on_grid = rows.reshape(4, 4, 16)
    rows = np.array(
        [convolved(merging, on_grid, row, column) for row in (0, 2) for column in (0, 2)]
    )
    rows = expected_rollout(tiny_hybrid.get_layer("stage_3"), maps, 0, (2, 2), 0, rows)
    np.testing.assert_allclose(found["stage_3"][0], rows, atol=1e-6)
    np.testing.assert_allclose(found["stage_3"].sum(axis=-1), 1, atol=1e-6)


def test_fused_model_has_the_same_rollout(tiny_hybrid):
    pixels = tiny_models.images(tiny_hybrid)
    fused = keras_cabvit.inference.fuse(tiny_hybrid)
    np.testing.assert_allclose(
        rollout_map(fused, pixels), rollout_map(tiny_hybrid, pixels), atol=1e-5
    )


def test_residual_alone_leaves_convolutions(tiny_plain):
    pixels = tiny_models.images(tiny_plain, batch=1)
    rows = attention_rollout(tiny_plain, pixels, residual=1)["stage"][0]
    np.testing.assert_allclose(rows[0], np.eye(26)[0], atol=1e-7)  # the class token bypasses them
    assert (rows[1:, 0] == 0).all()


def test_padding_and_empty_channels_have_no_share():
    kernel = np.zeros((3, 3, 3))
    kernel[0, 0, 0] = -2  # up and left alone, which the first place does not have
    kernel[1, 1, 1], kernel[1, 2, 1] = 3, -1
    shares = depthwise_shares(kernel, (2, 2))
    np.testing.assert_allclose(shares[0], [0.75, 0.25, 0, 0])
    np.testing.assert_allclose(shares[3], [0.5, 0, 0, 0.5])
    np.testing.assert_allclose(depthwise_shares(np.zeros((3, 3, 2)), (2, 2)), 0.25)


def test_residual_out_of_range_gives_a_clear_error(tiny_plain):
    with pytest.raises(ValueError, match="`residual` must be from 0 to 1"):
        attention_rollout(tiny_plain, tiny_models.images(tiny_plain), residual=1.5)


def test_nested_hybrid_model_is_explained_as_the_model_itself(tiny_hybrid):
    image = keras.Input(tiny_hybrid.input_shape[1:])
    nested = keras.Model(image, tiny_hybrid(image))
    pixels = tiny_models.images(tiny_hybrid, batch=1)

    assert block_names(nested) == block_names(tiny_hybrid)
    for explain in (rollout_map, grad_cam):
        found, expected = explain(nested, pixels), explain(tiny_hybrid, pixels)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
