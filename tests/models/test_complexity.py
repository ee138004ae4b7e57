"""Counting of parameters and multiply-accumulates."""

import json
import math
import re
import warnings
from pathlib import Path

import keras
import pytest
import tiny_models

from keras_cabvit import features, list_models
from keras_cabvit.inference import ATTENTION_BIASES, fuse
from keras_cabvit.models import build_variant, count_complexity
from keras_cabvit.models.variants import VARIANTS

# Counts of the published code at 224x224, minus the queries of digest tokens, which go unused.
PUBLISHED_GMACS = {"CabViTH_T": 1.376, "CabViTH_S": 3.585, "CabViTH_B": 6.569, "CabViTH_L": 14.251}


REFERENCE = Path(__file__).parents[1] / "reference" / "reference.json"
PUBLISHED_PARAMETERS = {
    variant: published["parameters"]
    for variant, published in json.loads(REFERENCE.read_text()).items()
}

# {variant: millions of parameters, billions of multiply-accumulates} of the README's table.
README = (Path(__file__).parents[2] / "README.md").read_text()
DOCUMENTED = {
    name: counts
    for name, *counts in re.findall(
        r"^\| `(CabViT\w+)` \|.*?\| ([\d.]+) M \| ([\d.]+) G \|", README, re.MULTILINE
    )
}


def test_readme_has_every_variant():
    assert list(DOCUMENTED) == list_models()


def convolution(side, filters, inputs, window):
    return side**2 * filters * inputs * window**2


def batch_norm(side, channels):
    return 2 * side**2 * channels


def mixing(tokens, channels, norms):
    return tokens * (5 * norms * channels + 2 * channels * 4 * channels)


def attention(tokens, digests, channels):
    sources = tokens + digests
    norms = 5 * sources * channels
    query_key_value_and_projection = channels**2 * (tokens + 2 * sources + tokens)
    return norms + query_key_value_and_projection + 2 * tokens * sources * channels


def cabvit_stage(depth, side, channels, class_tokens, norms):
    tokens, left = side**2 + class_tokens, math.ceil(side / 4) ** 2
    merge = left * channels * 7**2
    enhance = convolution(side, channels, 1, 3) + batch_norm(side, channels)
    blocks = sum(attention(tokens, index * left, channels) for index in range(depth))
    return blocks + depth * (enhance + mixing(tokens, channels, norms)) + (depth - 1) * merge


def hybrid_macs(side, classes, embed_dims, depths):
    """Counts of a hybrid model from its definition: integers, the same on any backend.

    Args:
        side: integer, of the images in pixels.
    """

    def convnext_stage(depth, side, channels):
        block = convolution(side, channels, 1, 7) + mixing(side**2, channels, norms=1)
        return depth * block

    def merging(side, inputs, outputs):  # `side` is the output's
        expand = convolution(2 * side, outputs, inputs, 1) + batch_norm(2 * side, outputs)
        depthwise = convolution(side, outputs, 1, 3) + batch_norm(side, outputs)
        project = convolution(side, outputs, outputs, 1) + batch_norm(side, outputs)
        return expand + depthwise + project

    first, second, third, fourth = embed_dims
    stem = convolution(side // 2, first // 2, 3, 3) + batch_norm(side // 2, first // 2)
    stem += convolution(side // 4, first, first // 2, 3) + batch_norm(side // 4, first)
    return {
        "stem": stem,
        "stage_0": convnext_stage(depths[0], side // 4, first),
        "merging_1": merging(side // 8, first, second),
        "stage_1": convnext_stage(depths[1], side // 8, second),
        "merging_2": merging(side // 16, second, third),
        "stage_2": cabvit_stage(depths[2], side // 16, third, class_tokens=0, norms=2),
        "merging_3": merging(side // 32, third, fourth),
        "stage_3": cabvit_stage(depths[3], side // 32, fourth, class_tokens=0, norms=2),
        "head": 5 * fourth + fourth * classes,
    }


def plain_macs(side, classes, embed_dim, depth):
    """Counts of a plain model with patches of 16x16 pixels, from its definition."""
    patches = side // 16
    stage = cabvit_stage(depth, patches, embed_dim, class_tokens=1, norms=1)
    norm = 5 * (patches**2 + 1) * embed_dim
    return convolution(patches, embed_dim, 3, 16) + stage + norm + embed_dim * classes


def variant_macs(name):
    """Counts of a variant for 224x224 pixels and 1,000 classes, from its sizes."""
    variant = VARIANTS[name]
    if variant.family == "plain":
        return plain_macs(224, 1000, variant.arguments["embed_dim"], variant.arguments["depth"])
    sizes = variant.arguments["embed_dims"], variant.arguments["depths"]
    return sum(hybrid_macs(224, 1000, *sizes).values())


@pytest.mark.parametrize("variant", PUBLISHED_PARAMETERS)
def test_parameters_and_macs_match_the_published_models(variant):
    """Those of the definitions, which `count_complexity` is compared with below."""
    with keras.StatelessScope(initialize_variables=False):  # counting needs no values
        model = build_variant(variant)
    assert model.name == variant
    assert (model.input_shape, model.output_shape) == ((None, 224, 224, 3), (None, 1000))
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert parameters == PUBLISHED_PARAMETERS[variant]
    gmacs = variant_macs(variant) / 1e9
    assert [f"{parameters / 1e6:.3f}", f"{gmacs:.3f}"] == DOCUMENTED[variant]
    if variant in PUBLISHED_GMACS:
        assert gmacs == pytest.approx(PUBLISHED_GMACS[variant], rel=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["CabViTH_T", "CabViTP_T"])
def test_count_of_a_variant_is_that_of_its_definition(variant):
    with keras.StatelessScope(initialize_variables=False):
        model = build_variant(variant)
        parts = count_complexity(model)
    assert sum(part.macs for part in parts) == variant_macs(variant)
    assert sum(part.parameters for part in parts) == PUBLISHED_PARAMETERS[variant]


# Of `tiny_models.hybrid`.
TINY_MACS = hybrid_macs(64, 5, embed_dims=(8, 16, 32, 64), depths=(1, 1, 3, 2))


@pytest.mark.every_backend
def test_macs_follow_from_the_definition(tiny_hybrid):
    macs = {part.name: part.macs for part in count_complexity(tiny_hybrid)}
    assert macs == TINY_MACS


def fused_hybrid_macs(macs):
    """Counts of the fused form: no BatchNorm, and no scale and shift before each MLP."""

    def normalized(side, channels):
        return side**2 * channels

    without = {
        "stem": 2 * (normalized(32, 4) + normalized(16, 8)),
        "stage_0": normalized(16, 8),
        "merging_1": 2 * (normalized(16, 16) + 2 * normalized(8, 16)),
        "stage_1": normalized(8, 16),
        "merging_2": 2 * (normalized(8, 32) + 2 * normalized(4, 32)),
        "stage_2": 3 * (2 + 1) * normalized(4, 32),  # in enhancement, and before the MLP
        "merging_3": 2 * (normalized(4, 64) + 2 * normalized(2, 64)),
        "stage_3": 2 * (2 + 1) * normalized(2, 64),
        "head": 0,
    }
    return {name: macs[name] - without[name] for name in macs}


@pytest.mark.every_backend
@pytest.mark.parametrize("attention_bias", ATTENTION_BIASES)
def test_macs_of_the_fused_form_follow_from_the_definition(tiny_hybrid, attention_bias):
    fused = fuse(tiny_hybrid, attention_bias)
    macs = {part.name: part.macs for part in count_complexity(fused)}
    assert macs == fused_hybrid_macs(TINY_MACS)


def test_work_of_features_is_that_of_their_layers(tiny_hybrid):
    model = features(tiny_hybrid, ["stage_2/block_0", "P5"])
    parts = {part.name: part for part in count_complexity(model)}
    macs = {name: part.macs for name, part in parts.items()}
    assert macs | {"head": TINY_MACS["head"]} == TINY_MACS
    assert parts["stage_2"].output_shape == (4, 4, 32)


def test_images_of_any_size_give_a_clear_error():
    model = tiny_models.hybrid(input_shape=(None, None, 3), windowed=True)
    with pytest.raises(ValueError, match="takes images of any size, and its work depends on"):
        count_complexity(model)


def test_parts_add_up_to_the_model(tiny_model):
    parts = count_complexity(tiny_model)
    trainable = sum(math.prod(weight.shape) for weight in tiny_model.trainable_weights)
    assert sum(part.parameters for part in parts) == trainable


def test_parts_of_the_hybrid_model(tiny_hybrid):
    parts = {part.name: part for part in count_complexity(tiny_hybrid)}
    assert list(parts) == [
        "stem",
        "stage_0",
        "merging_1",
        "stage_1",
        "merging_2",
        "stage_2",
        "merging_3",
        "stage_3",
        "head",
    ]
    assert parts["stage_2"].output_shape == (4, 4, 32)
    # Dense 64 x 5 and its bias, and LayerNorm's two times 64.
    assert parts["head"].parameters == 64 * 5 + 5 + 2 * 64


def test_macs_of_one_dense_and_one_convolution():
    inputs = keras.Input((4, 6, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", name="convolution")(inputs)
    x = keras.layers.Dense(7, name="dense")(keras.layers.Flatten()(x))
    macs = {part.name: part.macs for part in count_complexity(keras.Model(inputs, x))}
    assert macs == {"convolution": 4 * 6 * 5 * 3 * 3 * 3, "dense": 4 * 6 * 5 * 7}


def test_counting_leaves_the_model_unchanged():
    model = tiny_models.filled(tiny_models.plain())
    before = tiny_models.outputs(model, tiny_models.images(model))
    count_complexity(model)
    after = tiny_models.outputs(model, tiny_models.images(model))
    assert (before == after).all()
    assert count_complexity(model) == count_complexity(model)


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_quantised_model_has_the_same_counts(mode):
    model = tiny_models.two_blocks()
    expected = [part.macs for part in count_complexity(model)]
    with warnings.catch_warnings(action="ignore"):  # about layers that cannot be quantised
        model.quantize(mode)

    assert [part.macs for part in count_complexity(model)] == expected
