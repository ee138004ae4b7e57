"""`convert_torch_checkpoint`: from the authors' checkpoint to `weights="imagenet"`."""

import argparse

import numpy as np
import published_state_dict
import pytest
import torch
from model_weights import assert_equal, weights_of

import keras_cabvit
from keras_cabvit.models.variants import VARIANTS
from keras_cabvit.pytorch import convert_torch_checkpoint, load_torch_state_dict
from keras_cabvit.weights.checksums import verify_checksum

pytestmark = pytest.mark.slow

NAME = "CabViTH_T_imagenet.weights.h5"
SMALL = {"input_shape": (64, 32, 3), "classes": 10}


@pytest.fixture(autouse=True, scope="module")
def fewer_blocks():
    """Builds the smallest variants with fewer blocks, in a third of the time.

    tests/reference compares all parameters of the whole variants.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS["CabViTH_T"].arguments, "depths", (1, 1, 2, 1))
        patch.setitem(VARIANTS["CabViTP_T"].arguments, "depth", 2)
        yield


def state_dict_for(variant, **changes):
    sizes = {**VARIANTS[variant].arguments, **changes}
    del sizes["drop_path_rate"]
    shapes = getattr(published_state_dict, f"{VARIANTS[variant].family}_shapes")(**sizes)
    return published_state_dict.random(shapes)


def save_checkpoint(path, state_dict):
    """Writes a training program's checkpoint, in which `model` differs from `model_ema`."""
    tensors = {name: torch.from_numpy(array) for name, array in state_dict.items()}
    tensors["patch_embed.seq.0.bn.num_batches_tracked"] = torch.tensor(375300)
    content = {
        "model": {name: 1 - tensor for name, tensor in tensors.items()},
        "model_ema": tensors,
        "epoch": 299,
        "args": argparse.Namespace(lr=2e-3),
    }
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint file of CabViTH_T, and a model with the same parameters."""
    state_dict = state_dict_for("CabViTH_T")
    path = save_checkpoint(tmp_path_factory.mktemp("download") / "cabvit_h_l1.pth", state_dict)
    return path, load_torch_state_dict(keras_cabvit.CabViTH_T(), state_dict)


@pytest.fixture(scope="module")
def small_checkpoint(tmp_path_factory):
    """A checkpoint file for ten classes at 64x32."""
    state_dict = state_dict_for("CabViTH_T", **SMALL)
    path = save_checkpoint(tmp_path_factory.mktemp("own") / "fine_tuned.pth", state_dict)
    return path, load_torch_state_dict(keras_cabvit.CabViTH_T(**SMALL), state_dict)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, and no mirror."""
    monkeypatch.setenv("KERAS_CABVIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KERAS_CABVIT_WEIGHTS_URL", raising=False)
    return tmp_path / "home"


@pytest.fixture(scope="module")
def converted(checkpoint, tmp_path_factory):
    """The file that the conversion wrote in a separate cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_CABVIT_HOME", str(tmp_path_factory.mktemp("home")))
        return convert_torch_checkpoint(checkpoint[0], "CabViTH_T")


@pytest.fixture
def cached(converted, monkeypatch):
    """The same file, where weights="imagenet" looks."""
    monkeypatch.setenv("KERAS_CABVIT_HOME", str(converted.parent))
    monkeypatch.delenv("KERAS_CABVIT_WEIGHTS_URL", raising=False)
    return converted


def test_the_file_is_in_the_cache_with_its_checksum(cached):
    names = {path.name for path in cached.parent.iterdir()}
    assert cached.name == NAME
    assert names == {NAME, f"{NAME}.sha256"}
    assert verify_checksum(cached)


def test_imagenet_weights_match_the_checkpoint(cached, checkpoint):
    _, expected = checkpoint
    model = keras_cabvit.CabViTH_T(weights="imagenet")
    assert_equal(model.get_weights(), weights_of(expected))


def test_imagenet_weights_under_another_name(cached, checkpoint):
    model = keras_cabvit.CabViTH_T(weights="imagenet", name="backbone", drop_path_rate=0.3)
    assert_equal(model.get_weights(), weights_of(checkpoint[1]))


@pytest.mark.parametrize("pooling", [None, "avg"])
def test_features_without_the_classifier(cached, checkpoint, pooling):
    """The outputs with every pooling are compared in test_weight_files.py, on tiny models."""
    model = keras_cabvit.CabViTH_T(include_top=False, pooling=pooling, weights="imagenet")
    expected = checkpoint[1].layers[: -1 if pooling else -2]
    expected = [weight for layer in expected for weight in layer.get_weights()]
    assert_equal(model.get_weights(), expected)


def test_weights_from_the_path_are_the_same(cached, checkpoint):
    model = keras_cabvit.CabViTH_T(weights=cached)
    assert_equal(model.get_weights(), weights_of(checkpoint[1]))


def test_a_key_selects_other_parameters(small_checkpoint, tmp_path):
    path, average = small_checkpoint
    output = tmp_path / "last.weights.h5"
    shape = SMALL["input_shape"]
    found = convert_torch_checkpoint(
        path, "CabViTH_T", output=output, key="model", input_shape=shape
    )
    assert found == output
    last = keras_cabvit.CabViTH_T(**SMALL, weights=output)
    for weight, averaged in zip(last.get_weights(), weights_of(average), strict=True):
        np.testing.assert_array_equal(weight, 1 - averaged)


def test_a_later_conversion_replaces_the_file(checkpoint, home):
    home.mkdir()
    (home / NAME).write_bytes(b"earlier")
    (home / f"{NAME}.sha256").write_text("of the earlier one")
    path = convert_torch_checkpoint(checkpoint[0], "CabViTH_T")
    assert path == home / NAME
    assert path.stat().st_size > 4 * checkpoint[1].count_params()
    assert verify_checksum(path)
    assert {path.name for path in home.iterdir()} == {NAME, f"{NAME}.sha256"}


def test_plain_model(home):
    state_dict = state_dict_for("CabViTP_T")
    home.mkdir()
    np.savez(home / "checkpoint.npz", **state_dict)
    path = convert_torch_checkpoint(home / "checkpoint.npz", "CabViTP_T")
    assert path == home / "CabViTP_T_imagenet.weights.h5"
    expected = load_torch_state_dict(keras_cabvit.CabViTP_T(), state_dict)
    assert_equal(keras_cabvit.CabViTP_T(weights="imagenet").get_weights(), weights_of(expected))
    tokens = keras_cabvit.CabViTP_T(weights="imagenet", include_top=False)
    names = {layer.name for layer in tokens.layers}
    for layer in expected.layers:
        if layer.name in names:
            assert_equal(tokens.get_layer(layer.name).get_weights(), weights_of(layer))
    assert {layer.name for layer in expected.layers} - names == {"predictions"}


def test_ten_classes_at_another_size_are_written_to_the_output(small_checkpoint, home, tmp_path):
    checkpoint, expected = small_checkpoint
    output = tmp_path / "new" / "fine_tuned.weights.h5"
    convert_torch_checkpoint(
        str(checkpoint), "CabViTH_T", output=str(output), input_shape=SMALL["input_shape"]
    )
    model = keras_cabvit.CabViTH_T(**SMALL, weights=output)
    assert_equal(model.get_weights(), weights_of(expected))
    assert not home.exists()


@pytest.mark.parametrize(
    ("changes", "received"),
    [
        ({"classes": 10}, r"of 10 classes at \(224, 224\)"),
        ({"input_shape": (64, 32, 3)}, r"of 1000 classes at \(64, 32\)"),
    ],
)
def test_only_imagenet_weights_go_to_the_cache(home, tmp_path, changes, received):
    path = tmp_path / "own.npz"
    np.savez(path, **state_dict_for("CabViTH_T", **changes))
    with pytest.raises(ValueError, match=rf"`output` must be given for a checkpoint {received}"):
        convert_torch_checkpoint(path, "CabViTH_T", input_shape=changes.get("input_shape"))
    assert not home.exists()


def without_a_name(state_dict):
    del state_dict["norm_head.weight"]


def with_a_hole(state_dict):
    state_dict["head.weight"][3, 4] = np.nan


def with_a_number_for_a_bias(state_dict):
    state_dict["head.bias"] = state_dict["head.bias"][0]


@pytest.mark.parametrize(
    ("spoil", "message", "chosen"),
    [
        (without_a_name, r"Missing \(1\): norm_head\.weight\.", False),
        (with_a_hole, r"Not finite \(1\): head\.weight\.", True),
        (with_a_number_for_a_bias, r"head\.bias \(\) for \(1000,\)\.", False),
    ],
)
def test_a_failed_conversion_changes_no_file(home, tmp_path, spoil, message, chosen):
    state_dict = state_dict_for("CabViTH_T")
    spoil(state_dict)
    np.savez(tmp_path / "checkpoint.npz", **state_dict)
    home.mkdir()
    earlier = home / NAME
    earlier.write_bytes(b"earlier")
    with pytest.raises(ValueError, match=message):
        convert_torch_checkpoint(
            tmp_path / "checkpoint.npz", "CabViTH_T", output=earlier if chosen else None
        )
    assert earlier.read_bytes() == b"earlier"
    assert list(home.iterdir()) == [earlier]


def test_a_failed_conversion_leaves_nothing_behind(checkpoint, home):
    with pytest.raises(ValueError, match="does not fit model 'CabViTP_T'"):
        convert_torch_checkpoint(checkpoint[0], "CabViTP_T")
    assert not home.exists()


def test_another_variants_checkpoint_is_refused_by_name(checkpoint, home):
    with pytest.raises(ValueError, match="does not fit model 'CabViTH_S'") as raised:
        convert_torch_checkpoint(checkpoint[0], "CabViTH_S")
    assert "Missing (" in str(raised.value)
    assert "layer_0.blocks.1." in str(raised.value)  # a block that the smaller model lacks
    assert "patch_embed.seq.0.c.weight (32, 3, 3, 3) for (48, 3, 3, 3)" in str(raised.value)
    assert not home.exists()


def test_an_unknown_variant(checkpoint, home):
    with pytest.raises(ValueError, match=r"`variant` must be one of CabViTH_T, .* 'CabViTH_XL'"):
        convert_torch_checkpoint(checkpoint[0], "CabViTH_XL")
    assert not home.exists()


def test_an_output_with_another_ending(small_checkpoint, tmp_path):
    output = tmp_path / "converted.h5"
    with pytest.raises(ValueError, match=r"`path` must end in \.weights\.h5"):
        convert_torch_checkpoint(
            small_checkpoint[0], "CabViTH_T", output=output, input_shape=SMALL["input_shape"]
        )
    assert not list(tmp_path.iterdir())


def test_a_missing_checkpoint(home, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no checkpoint file at"):
        convert_torch_checkpoint(tmp_path / "absent.pth", "CabViTH_T")
    assert not home.exists()
