"""Every array of a PyTorch state dict reaches its place in the model, or none does."""

import json
from pathlib import Path

import keras
import numpy as np
import published_state_dict
import pytest
import torch
from ml_dtypes import bfloat16
from model_weights import assert_equal, weights_of

from keras_cabvit.inference import fuse
from keras_cabvit.models.variants import VARIANTS
from keras_cabvit.pytorch import load_torch_state_dict

REFERENCE = Path(__file__).parents[1] / "reference" / "reference.json"
FAMILIES = ("hybrid", "plain")


@pytest.fixture(scope="module")
def hybrid():
    """A model for tests that do not change it, and its shapes."""
    return published_state_dict.tiny("hybrid")


@pytest.fixture(scope="module")
def plain():
    """A model for tests that load weights into it, and its shapes."""
    return published_state_dict.tiny("plain")


@pytest.fixture(scope="module")
def loaded():
    """A model of each family, and the state dict loaded into it."""
    result = {}
    for family in FAMILIES:
        model, shapes = published_state_dict.tiny(family)
        state_dict, _ = published_state_dict.counted(shapes)
        result[family] = load_torch_state_dict(model, state_dict), state_dict
    return result


@pytest.mark.parametrize("variant", ["CabViTH_T", "CabViTP_T"])
def test_names_and_shapes_in_the_tests_match_the_published_ones(variant):
    sizes = dict(VARIANTS[variant].arguments)
    del sizes["drop_path_rate"]
    family = VARIANTS[variant].family
    shapes = getattr(published_state_dict, f"{family}_shapes")(**sizes)
    published = json.loads(REFERENCE.read_text())[variant]["state_dict"]
    assert shapes == {name: tuple(shape) for name, shape in published.items()}


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("hybrid", {}),
        ("hybrid", {"max_digests": 12}),
        ("hybrid", {"max_digests": 0}),
        ("hybrid", {"depths": (1, 3, 1, 1)}),
        ("hybrid", {"include_top": False}),
        ("hybrid", {"include_top": False, "pooling": "avg"}),
        ("hybrid", {"include_top": False, "pooling": "max"}),
        ("plain", {}),
        ("plain", {"max_digests": 12}),
        ("plain", {"max_digests": 0}),
        ("plain", {"depth": 1}),
        ("plain", {"include_top": False}),
        ("plain", {"include_top": False, "pooling": "avg"}),
        ("plain", {"include_top": False, "pooling": "token"}),
    ],
)
def test_every_element_fills_one_element_of_the_model(family, changes):
    model, shapes = published_state_dict.tiny(family, **changes)
    state_dict, count = published_state_dict.counted(shapes)
    assert load_torch_state_dict(model, state_dict) is model
    found = np.concatenate([weight.ravel() for weight in model.get_weights()])
    np.testing.assert_array_equal(np.sort(found), np.arange(count))


def block_of(model, name):
    parts = name.split(".")
    if name.startswith("blocks."):
        return model.get_layer("stage").blocks[int(parts[1])]
    stage, index = parts[0].removeprefix("layer_"), int(parts[2])
    if stage in "01":
        return model.get_layer(f"stage_{stage}_block_{index}")
    return model.get_layer(f"stage_{stage}").blocks[index]


# Name, the variable that it fills, and how: o outputs, i inputs, y rows, x columns.
KERNELS = [
    ("hybrid", "patch_embed.seq.2.c.weight", "stem.convolution_2.convolution", "oiyx->yxio"),
    ("hybrid", "layer_1.downsample.conv1.c.weight", "merging_2.expand.convolution", "oiyx->yxio"),
    (
        "hybrid",
        "layer_2.downsample.conv2.c.weight",
        "merging_3.depthwise.convolution",
        "oiyx->yxoi",
    ),
    ("hybrid", "layer_2.downsample.conv3.c.weight", "merging_3.project.convolution", "oiyx->yxio"),
    ("hybrid", "layer_0.blocks.1.dwconv.weight", "block.depthwise", "oiyx->yxoi"),
    ("hybrid", "layer_0.blocks.1.pwconv1.weight", "block.channel_mixing.expand", "oi->io"),
    ("hybrid", "layer_1.blocks.0.pwconv2.weight", "block.channel_mixing.project", "oi->io"),
    ("hybrid", "layer_2.blocks.2.proj.weight", "block.attention.projection", "oi->io"),
    ("hybrid", "layer_2.blocks.1.mlp.fc1.weight", "block.channel_mixing.expand", "oi->io"),
    ("hybrid", "layer_3.blocks.1.mlp.fc2.weight", "block.channel_mixing.project", "oi->io"),
    (
        "hybrid",
        "layer_2.blocks.2.dw_conv.weight",
        "block.merge_enhancement.merge_convolution",
        "oiyx->yxoi",
    ),
    (
        "hybrid",
        "layer_2.blocks.3.local_conv.c.weight",
        "block.merge_enhancement.enhancement.convolution",
        "oiyx->yxoi",
    ),
    ("hybrid", "head.weight", "predictions", "oi->io"),
    ("plain", "patch_embed.proj.weight", "patch_embedding.projection", "oiyx->yxio"),
    ("plain", "blocks.2.attn.proj.weight", "block.attention.projection", "oi->io"),
    ("plain", "blocks.3.mlp.fc2.weight", "block.channel_mixing.project", "oi->io"),
    ("plain", "blocks.1.dw_conv.weight", "block.merge_enhancement.merge_convolution", "oiyx->yxoi"),
]


@pytest.mark.parametrize(("family", "name", "owner", "axes"), KERNELS)
def test_kernels(loaded, family, name, owner, axes):
    model, state_dict = loaded[family]
    first, *rest = owner.split(".")
    layer = block_of(model, name) if first == "block" else model.get_layer(first)
    for attribute in rest:
        layer = getattr(layer, attribute)
    np.testing.assert_array_equal(layer.kernel, np.einsum(axes, state_dict[name]))


@pytest.mark.parametrize(
    ("family", "prefix"), [("hybrid", "layer_3.blocks.1"), ("plain", "blocks.2.attn")]
)
def test_joint_matrix_becomes_query_and_key_value(loaded, family, prefix):
    model, state_dict = loaded[family]
    attention = block_of(model, prefix).attention
    query, key, value = np.split(state_dict[f"{prefix}.qkv.weight"], 3)
    np.testing.assert_array_equal(attention.query.kernel, query.T)
    np.testing.assert_array_equal(attention.key_value.kernel, np.hstack([key.T, value.T]))
    query, key, value = np.split(state_dict[f"{prefix}.qkv.bias"], 3)
    np.testing.assert_array_equal(attention.query.bias, query)
    np.testing.assert_array_equal(attention.key_value.bias, np.hstack([key, value]))


def test_position_bias_lists_offsets_in_row_order(loaded):
    model, state_dict = loaded["hybrid"]
    table = state_dict["layer_2.blocks.1.attention_biases"]
    bias = np.asarray(model.get_layer("stage_2").blocks[1].attention.position_bias)
    assert bias.shape == (2, 6, 10)
    assert bias[1, 4, 7] == table[1, 4 * 10 + 7]


@pytest.mark.parametrize(
    ("family", "name", "heads"), [("hybrid", "layer_2.blocks.3", 2), ("plain", "blocks.3", 3)]
)
def test_digest_weights_list_blocks_then_rows(loaded, family, name, heads):
    model, state_dict = loaded[family]
    attention = block_of(model, name).attention
    bias = np.asarray(attention.digest_bias)
    scale = np.asarray(attention.digest_scale)
    assert bias.shape == (heads, 2, 2, 3)  # heads, blocks, rows, columns
    assert scale.shape == (2, 2, 3)
    place = 1 * 6 + 1 * 3 + 2  # block 1, row 1, column 2
    assert bias[1, 1, 1, 2] == state_dict[f"{name}.s_token_bias"][0, 1, 0, place]
    assert scale[1, 1, 2] == state_dict[f"{name}.s_scale_factors"][0, place, 0]


def test_positions_list_the_class_token_then_rows(loaded):
    model, state_dict = loaded["plain"]
    embedding = model.get_layer("patch_embedding")
    positions = state_dict["pos_embed"]
    np.testing.assert_array_equal(embedding.class_token, state_dict["cls_token"][0, 0])
    np.testing.assert_array_equal(embedding.class_position, positions[0, 0])
    patches = np.asarray(embedding.patch_positions)
    np.testing.assert_array_equal(patches[4, 7], positions[0, 1 + 4 * 10 + 7])


@pytest.mark.parametrize(
    ("family", "name"), [("hybrid", "layer_2.blocks.3"), ("plain", "blocks.3")]
)
def test_norms_before_attention_are_not_confused(loaded, family, name):
    model, state_dict = loaded[family]
    attention = block_of(model, name).attention
    for norm, part in ((attention.norm, "norm1"), (attention.digest_norm, "s_norm")):
        np.testing.assert_array_equal(norm.gamma, state_dict[f"{name}.{part}.weight"])
        np.testing.assert_array_equal(norm.beta, state_dict[f"{name}.{part}.bias"])


def test_norms_and_scales_of_a_hybrid_block_are_not_confused(loaded):
    model, state_dict = loaded["hybrid"]
    block = model.get_layer("stage_3").blocks[1]
    prefix = "layer_3.blocks.1"
    for variable, part in (
        (block.channel_mixing.norms[0].gamma, "norm2.weight"),
        (block.channel_mixing.norms[0].beta, "norm2.bias"),
        (block.channel_mixing.norms[1].gamma, "mlp.norm.weight"),
        (block.channel_mixing.norms[1].beta, "mlp.norm.bias"),
        (block.attention.layer_scale.gamma, "gamma_1"),
        (block.channel_mixing.layer_scale.gamma, "gamma_2"),
        (block.merge_enhancement.enhancement.norm.gamma, "local_conv.bn.weight"),
        (block.merge_enhancement.enhancement.norm.beta, "local_conv.bn.bias"),
        (block.merge_enhancement.enhancement.norm.moving_mean, "local_conv.bn.running_mean"),
        (block.merge_enhancement.enhancement.norm.moving_variance, "local_conv.bn.running_var"),
    ):
        np.testing.assert_array_equal(variable, state_dict[f"{prefix}.{part}"], err_msg=part)


TYPES = {
    "numpy float16": lambda array: array.astype("float16"),
    "numpy float64": lambda array: array.astype("float64"),
    "numpy bfloat16": lambda array: array.astype(bfloat16),
    "read-only": lambda array: np.broadcast_to(array, array.shape),
    "torch float16": lambda array: torch.from_numpy(array).half(),
    "torch bfloat16": lambda array: torch.from_numpy(array).bfloat16(),
    "torch float32": torch.from_numpy,
    "torch float64": lambda array: torch.from_numpy(array).double(),
    "parameter": lambda array: torch.nn.Parameter(torch.from_numpy(array)),
    "not contiguous": lambda array: torch.from_numpy(np.asfortranarray(array)),
}


@pytest.mark.parametrize("convert", TYPES.values(), ids=TYPES)
def test_arrays_of_any_floating_type(plain, convert):
    model, shapes = plain
    state_dict, _ = published_state_dict.counted(shapes)
    state_dict = {name: array % 251 for name, array in state_dict.items()}  # 8 bits: bfloat16's
    expected = weights_of(load_torch_state_dict(model, state_dict))
    model.set_weights([np.zeros_like(weight) for weight in expected])
    load_torch_state_dict(model, {name: convert(array) for name, array in state_dict.items()})
    assert_equal(model.get_weights(), expected)


@pytest.mark.parametrize("counter", [np.int64(7), torch.tensor(7)])
def test_batch_counters_are_ignored(plain, counter):
    model, shapes = plain
    state_dict, _ = published_state_dict.counted(shapes)
    expected = weights_of(load_torch_state_dict(model, state_dict))
    for name in shapes:
        if name.endswith("running_var"):
            state_dict[name.replace("running_var", "num_batches_tracked")] = counter
    load_torch_state_dict(model, state_dict)
    assert_equal(model.get_weights(), expected)


def with_element(array, value):
    array = array.copy()
    array.flat[-1] = value
    return array


def quantised(array):
    return torch.quantize_per_tensor(torch.from_numpy(array), 0.1, 0, torch.qint8)


# Each fault, and its error message.
PROBLEMS = {
    "missing": (lambda d: d.pop("head.bias"), "Missing (1): head.bias."),
    "left over": (
        lambda d: d.update({"head_dist.bias": d["head.weight"]}),
        "Left over (1): head_dist.bias.",
    ),
    "misshaped": (
        lambda d: d.update({"head.weight": d["head.weight"].T}),
        "Of another shape (1): head.weight (12, 5) for (5, 12).",
    ),
    "one dimension more": (
        lambda d: d.update({"norm_head.bias": d["norm_head.bias"][None]}),
        "Of another shape (1): norm_head.bias (1, 12) for (12,).",
    ),
    "text": (
        lambda d: d.update({"norm_head.bias": d["norm_head.bias"].astype(str)}),
        "Not real numbers (1): norm_head.bias (<U32).",
    ),
    "quantised": (
        lambda d: d.update({"head.bias": quantised(d["head.bias"])}),
        "Not plain tensors (1): head.bias (quantised, torch.qint8).",
    ),
    "sparse": (
        lambda d: d.update({"head.weight": torch.from_numpy(d["head.weight"]).to_sparse()}),
        "Not plain tensors (1): head.weight (sparse_coo).",
    ),
    "meta": (
        lambda d: d.update({"head.weight": torch.from_numpy(d["head.weight"]).to("meta")}),
        "Not plain tensors (1): head.weight (on the meta device, without data).",
    ),
    "nan": (
        lambda d: d.update(
            {"layer_2.blocks.3.s_scale_factors": d["layer_2.blocks.3.s_scale_factors"] * np.nan}
        ),
        "Not finite (1): layer_2.blocks.3.s_scale_factors.",
    ),
    "infinite": (
        lambda d: d.update({"norm_head.weight": with_element(d["norm_head.weight"], -np.inf)}),
        "Not finite (1): norm_head.weight.",
    ),
}


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation")
@pytest.mark.parametrize(("spoil", "message"), PROBLEMS.values(), ids=PROBLEMS)
def test_one_problem_is_enough_to_leave_the_model_unchanged(hybrid, spoil, message):
    model, shapes = hybrid
    before = weights_of(model)
    state_dict, _ = published_state_dict.counted(shapes)
    spoil(state_dict)
    with pytest.raises(ValueError, match="which is unchanged") as raised:
        load_torch_state_dict(model, state_dict)
    assert str(raised.value).splitlines()[1:] == [message]
    assert_equal(model.get_weights(), before)


def test_all_problems_are_listed_together(hybrid):
    model, shapes = hybrid
    before = weights_of(model)
    state_dict, _ = published_state_dict.counted(shapes)
    for name in ("missing", "left over", "misshaped", "nan"):
        PROBLEMS[name][0](state_dict)
    with pytest.raises(ValueError, match="does not fit model 'cabvit_h'") as raised:
        load_torch_state_dict(model, state_dict)
    assert str(raised.value).splitlines()[1:] == [
        PROBLEMS[name][1] for name in ("missing", "left over", "misshaped", "nan")
    ]
    assert_equal(model.get_weights(), before)


def test_a_long_list_is_truncated(hybrid):
    model, shapes = hybrid
    with pytest.raises(ValueError, match=rf"Missing \({len(shapes)}\): ") as raised:
        load_torch_state_dict(model, {})
    assert f" and {len(shapes) - 12} more." in str(raised.value)


def test_classifier_parameters_need_a_classifier(plain):
    _, shapes = plain
    model, _ = published_state_dict.tiny("plain", include_top=False)
    state_dict, _ = published_state_dict.counted(shapes)
    with pytest.raises(ValueError, match=r"Left over \(2\): head.bias, head.weight"):
        load_torch_state_dict(model, state_dict)


def test_a_model_of_another_library_is_refused():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="dense")])
    with pytest.raises(ValueError, match="`model` must be one that keras_cabvit built"):
        load_torch_state_dict(model, {})


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (lambda model: model.quantize("int8"), "is quantised to int8"),
        (lambda model: model.get_layer("predictions").enable_lora(2), "has LoRA's weights"),
        (fuse, "is in its form for inference"),
    ],
    ids=["quantized", "lora", "fused"],
)
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_a_model_in_another_form_is_refused(changed, sentence):
    model, shapes = published_state_dict.tiny("plain")
    state_dict, _ = published_state_dict.counted(shapes)
    model = changed(model) or model
    with pytest.raises(ValueError, match=f"{sentence}.*as it was built"):
        load_torch_state_dict(model, state_dict)
