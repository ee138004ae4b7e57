"""Error messages of the layers."""

import re

import numpy as np
import pytest
from tiny_models import block, two_blocks

from keras_cabvit.inference import fuse
from keras_cabvit.inference.convolution import FusedConvolution, FusedConvolutions
from keras_cabvit.inference.token_merge_enhancement import FusedTokenMergeEnhancement
from keras_cabvit.layers import (
    CabViTBlock,
    CabViTStage,
    ChannelMixing,
    ConvolutionalStem,
    ConvolutionNorm,
    CrossBlockAttention,
    DropPath,
    PatchEmbedding,
    TokenMergeEnhancement,
)


def test_channels_that_are_not_divisible_by_the_heads():
    with pytest.raises(ValueError, match=r"must divide the channels.*8 channels, num_heads=3"):
        CrossBlockAttention(num_heads=3).build((None, 4, 4, 8))


def test_digests_of_a_fraction_of_a_block():
    layer = CrossBlockAttention(num_heads=2)
    with pytest.raises(ValueError, match=r"8x8 grid outputs 4 digest tokens.*\(None, 6, 8\)"):
        layer.build((None, 8, 8, 8), (None, 6, 8))


@pytest.mark.parametrize(("built_with", "called_with"), [(None, 1), (1, None)])
def test_digests_given_or_missing_unlike_at_build(built_with, called_with):
    layer = CrossBlockAttention(num_heads=2)
    layer.build((1, 4, 4, 8), built_with and (1, 1, 8))
    digests = called_with and np.ones((1, 1, 8), "float32")
    with pytest.raises(ValueError, match=f"`digests` must {'not ' if called_with else ''}be given"):
        layer(np.ones((1, 4, 4, 8), "float32"), digests)


def test_position_bias_with_a_class_token():
    layer = CrossBlockAttention(num_heads=2, grid=(4, 4))
    with pytest.raises(ValueError, match=r"1 tokens before it.*position_bias=False"):
        layer.build((None, 17, 8))


@pytest.mark.parametrize("layer_class", [CrossBlockAttention, TokenMergeEnhancement])
@pytest.mark.parametrize(
    ("grid", "shape"),
    [
        (None, (None, 16, 8)),  # tokens without a grid
        ((4, 4), (None, 4, 4, 8)),  # a feature map with a grid
        ((4, 4), (None, 15, 8)),  # fewer tokens than positions
    ],
)
def test_shapes_that_do_not_match_the_grid(layer_class, grid, shape):
    arguments = {"num_heads": 2} if layer_class is CrossBlockAttention else {}
    with pytest.raises(ValueError, match=r"takes a feature map .* when `grid` is None, or tokens"):
        layer_class(grid=grid, **arguments).build(shape)


@pytest.mark.parametrize("layer_class", [CrossBlockAttention, TokenMergeEnhancement])
def test_map_of_unknown_size(layer_class):
    arguments = {"num_heads": 2} if layer_class is CrossBlockAttention else {}
    with pytest.raises(ValueError, match=r"known height and width.*\(None, None, 4, 8\)"):
        layer_class(**arguments).build((None, None, 4, 8))


@pytest.mark.parametrize("fused", [False, True])
def test_map_of_another_size_than_at_build(fused):
    # 64 tokens could be those of four images.
    model = two_blocks()
    stage = (fuse(model) if fused else model).get_layer("stage_2")
    for layer in (stage, stage.blocks[0].attention, stage.blocks[0].merge_enhancement):
        for shape in ((1, 6, 4, 8), (1, 3, 4, 8)):
            with pytest.raises(ValueError, match=r"shape=\(None, 3, 2, 8\), found shape=\(1, "):
                layer(np.ones(shape, "float32"))


@pytest.mark.parametrize("grid", [(4,), (4, 0), (4, 4, 4)])
def test_malformed_grid(grid):
    with pytest.raises(ValueError, match=r"`grid` must be \(height, width\), both positive"):
        TokenMergeEnhancement(grid=grid)


def blocks(*merges, **options):
    return [
        block(merge=merge, name=f"block_{index}", **options) for index, merge in enumerate(merges)
    ]


@pytest.mark.parametrize(
    ("merges", "max_digests", "sentence"),
    [
        ((False,), -1, "`max_digests` must be 0"),
        ((True, True), 12, "last block of a stage must not merge.*block_0, block_1 of 2"),
        ((True, False), 0, "nor may any block if max_digests=0.*block_0 of 2, max_digests=0"),
    ],
)
def test_stage_with_unused_digests(merges, max_digests, sentence):
    with pytest.raises(ValueError, match=sentence):
        CabViTStage(blocks(*merges), max_digests)


@pytest.mark.parametrize("wrong", [[], None, 3, [None], "block_0"])
def test_stage_of_anything_but_a_list(wrong):
    message = f"a list of at least one CabViTBlock. Received: blocks={wrong!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        CabViTStage(wrong)


def test_stage_of_other_layers():
    (one,) = blocks(False)
    for wrong in (one, [one, ChannelMixing()]):
        with pytest.raises(ValueError, match=r"a list of at least one CabViTBlock.*name=block_0"):
            CabViTStage(wrong)


@pytest.mark.parametrize("part", ["attention", "merge_enhancement", "channel_mixing"])
@pytest.mark.parametrize("wrong", [None, 3, []])
def test_block_of_parts_that_are_not_layers(part, wrong):
    (one,) = blocks(True)
    parts = {name: getattr(one, name) for name in CabViTBlock.part_names}
    message = f"`{part}` of a CabViTBlock must be a Keras layer. Received: {part}={wrong}"
    with pytest.raises(ValueError, match=re.escape(message)):
        CabViTBlock(**{**parts, part: wrong})


def test_block_of_parts_in_the_wrong_order():
    (one,) = blocks(True)
    with pytest.raises(ValueError, match=r"`merge_enhancement` must have an attribute `merge`"):
        CabViTBlock(one.merge_enhancement, one.attention, one.channel_mixing)


@pytest.mark.parametrize(
    ("layer_class", "parts", "sentence"),
    [
        (FusedConvolutions, (None,), "`convolutions` of a .* must be a list of Keras layers"),
        (FusedConvolutions, ([3],), "`convolutions` of a .* must be a list of Keras layers"),
        (FusedConvolution, (None,), "`convolution` of a .* must be a Keras layer. Received"),
        (FusedTokenMergeEnhancement, (3, None), "`merge_convolution` of a .* layer or None"),
    ],
)
def test_inference_class_of_parts_that_are_not_layers(layer_class, parts, sentence):
    with pytest.raises(ValueError, match=sentence):
        layer_class(*parts)


def test_one_block_twice():
    (one,) = blocks(False)
    with pytest.raises(ValueError, match=r"given the same layer twice.*block_0, block_0"):
        CabViTStage([one, one])
    other = CabViTBlock(one.attention, one.merge_enhancement, one.channel_mixing)
    with pytest.raises(ValueError, match="given the same layer twice"):
        CabViTStage([one, other])


def test_parts_with_different_dtype_policies():
    (one,), (other,) = blocks(True), blocks(False, dtype="mixed_bfloat16")
    with pytest.raises(ValueError, match=r"one dtype policy.*'float32'.*'mixed_bfloat16'"):
        CabViTStage([one, other])
    with pytest.raises(ValueError, match=r"one dtype policy.*'bfloat16'.*'float32'"):
        CabViTStage([one, *blocks(False)], dtype="bfloat16")


def test_even_kernel_size():
    with pytest.raises(ValueError, match=r"`kernel_size` must be odd.*kernel_size=\(4, 4\)"):
        ConvolutionNorm(8, 4)


def test_odd_number_of_stem_filters():
    with pytest.raises(ValueError, match=r"`filters` must be even.*filters=7"):
        ConvolutionalStem(7)


def test_channel_mixing_without_a_norm():
    with pytest.raises(ValueError, match="`norm_count` must be at least 1"):
        ChannelMixing(norm_count=0)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_drop_path_rate(rate):
    with pytest.raises(ValueError, match="`rate` must be at least 0 and below 1"):
        DropPath(rate)


@pytest.mark.parametrize("shape", [(None, 30, 32, 3), (None, None, 32, 3)])
def test_images_that_patches_do_not_tile(shape):
    with pytest.raises(ValueError, match="known multiples of the patch size 16"):
        PatchEmbedding(8).build(shape)


@pytest.mark.parametrize(
    ("attention", "channel_mixing", "sentence"),
    [
        (ChannelMixing(), ChannelMixing(), "`attention` must take the call argument `return_att"),
        (
            CrossBlockAttention(num_heads=2),
            CrossBlockAttention(num_heads=2),
            "`channel_mixing` must take the call argument `residual`, as a ChannelMixing does",
        ),
    ],
)
def test_block_with_a_part_in_the_position_of_another(attention, channel_mixing, sentence):
    with pytest.raises(ValueError, match=sentence):
        CabViTBlock(attention, TokenMergeEnhancement(), channel_mixing)
