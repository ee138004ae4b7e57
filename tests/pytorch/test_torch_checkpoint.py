"""Reading checkpoint files, and refusing files that could run code."""

import argparse
import collections
import copy
import datetime
import os
import pathlib
import pickle
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from keras_cabvit.pytorch import read_torch_checkpoint


@pytest.fixture(scope="module")
def training():
    """A checkpoint as saved by a training program after an epoch, with real optimizer state."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 2)
    )
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(network(torch.rand(8, 3, 3, 3)).square().sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    scheduler.step()
    return {
        "model": network.state_dict(),
        "model_ema": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "lr_scheduler": scheduler.state_dict(),
        "epoch": 299,
        "args": argparse.Namespace(
            model="cabvit_h_l2",
            lr=2e-3,
            opt_betas=(0.9, 0.999),
            clip_grad=None,
            distributed=argparse.Namespace(world_size=8, gpus=[0, 1]),
        ),
    }


@pytest.fixture
def save(tmp_path):
    """Writes a checkpoint, and returns its path."""

    def save(content, name="checkpoint.pth", **options):
        torch.save(content, tmp_path / name, **options)
        return tmp_path / name

    return save


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(value), err_msg=name)


@pytest.mark.parametrize("zipped", [True, False])
def test_averaged_parameters_of_a_training_checkpoint(training, save, zipped):
    path = save(training, _use_new_zipfile_serialization=zipped)
    found = read_torch_checkpoint(path)
    assert_same(found, training["model_ema"])
    assert "1.num_batches_tracked" in found


def test_a_key_selects_the_parameters(training, save):
    found = read_torch_checkpoint(save(training), key="model")
    assert_same(found, training["model"])
    assert not torch.equal(found["0.weight"], training["model_ema"]["0.weight"])


@pytest.mark.parametrize(
    "keys",
    [
        ("model_ema", "model", "state_dict"),
        ("model", "state_dict"),
        ("state_dict",),
    ],
)
def test_order_in_which_keys_are_tried(save, keys):
    content = {key: {"name": torch.full((1,), float(i))} for i, key in enumerate(keys)}
    # The order in the file does not matter.
    path = save({"epoch": 1, **dict(reversed(content.items()))})
    assert_same(read_torch_checkpoint(path), content[keys[0]])


def test_checkpoint_without_averaged_parameters(training, save):
    path = save({**training, "model_ema": None})
    assert_same(read_torch_checkpoint(path), training["model"])


@pytest.mark.parametrize("name", ["weights.pt", "pytorch_model.bin", "weights"])
def test_bare_parameters(training, save, name):
    path = save(training["model"], name)
    assert_same(read_torch_checkpoint(path), training["model"])
    assert_same(read_torch_checkpoint(str(path)), training["model"])


def test_the_prefix_of_distributed_training_is_dropped(training, save):
    wrapped = {f"module.{name}": value for name, value in training["model"].items()}
    assert_same(read_torch_checkpoint(save({"model": wrapped})), training["model"])


def test_a_module_named_like_the_prefix_is_kept(save):
    content = {"module.weight": torch.ones(1), "head.weight": torch.ones(1)}
    assert_same(read_torch_checkpoint(save(content)), content)


def test_npz(training, tmp_path):
    arrays = {name: value.numpy() for name, value in training["model"].items()}
    np.savez(tmp_path / "weights.npz", **arrays)
    assert_same(read_torch_checkpoint(tmp_path / "weights.npz"), arrays)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_safetensors(training, tmp_path, dtype):
    tensors = {name: value.to(dtype) for name, value in sorted(training["model"].items())}
    save_file(tensors, tmp_path / "weights.safetensors")
    found = read_torch_checkpoint(tmp_path / "weights.safetensors")
    assert sorted(found) == list(tensors)
    for name, value in tensors.items():
        np.testing.assert_array_equal(found[name].astype("float32"), value.float())


def prefixed(parameters, prefix):
    return {f"{prefix}{name}": value for name, value in parameters.items()}


PARAMETERS = {
    f"{name}.weight": torch.full((1,), value)
    for value, name in enumerate(["stem.0", "blocks.0.attn", "head"])
}


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "_orig_mod.", "model.", "model._orig_mod.", "_orig_mod.module."),
        *("module._orig_mod.", "model.module.", "net._orig_mod.module.", "network.model."),
        *(
            "_fsdp_wrapped_module.",
            "module._checkpoint_wrapped_module.",
            "vit.",
            "trainer.backbone.",
        ),
    ],
)
def test_prefixes_of_all_names_are_dropped(training, save, prefix):
    parameters = prefixed(PARAMETERS, prefix)
    assert_same(read_torch_checkpoint(save({"state_dict": parameters, "epoch": 3})), PARAMETERS)


@pytest.mark.parametrize("inserted", ["_orig_mod", "_checkpoint_wrapped_module"])
def test_blocks_that_were_wrapped_one_by_one(training, save, inserted):
    names = {name: name.replace(".", f".{inserted}.", 1) for name in training["model"]}
    path = save({names[name]: value for name, value in training["model"].items()})
    assert_same(read_torch_checkpoint(path), training["model"])


@pytest.mark.parametrize("outer", ["", "model."])
def test_names_that_are_the_same_without_prefixes_are_refused_unless_chosen(save, outer):
    first, second = torch.zeros(1), torch.ones(1)
    names = f"{outer}_orig_mod.head.weight", f"{outer}head.weight"
    path = save({"state_dict": dict(zip(names, (first, second), strict=True))})
    with pytest.raises(ValueError, match=rf"checkpoint\.pth .*'{names[0]}' and '{names[1]}'"):
        read_torch_checkpoint(path)
    found = read_torch_checkpoint(path, key=f"state_dict.{outer}_orig_mod")
    assert_same(found, {"head.weight": first})


RAW, AVERAGED = {"weight": torch.zeros(1)}, {"weight": torch.ones(1)}
BOTH = {
    "timm": {"state_dict": RAW, "state_dict_ema": AVERAGED, "arch": "s", "metric": 79.1},
    "deit": {"model": RAW, "model_ema": AVERAGED},
    "torchvision": {
        "model": RAW,
        "model_ema": {"n_averaged": torch.tensor(9), **prefixed(AVERAGED, "module.")},
    },
    "nested": {"model": RAW, "ema": {"decay": 0.99, "module": AVERAGED}},
    "another key": {"state_dict": RAW, "params_ema": AVERAGED, "ema_decay": 0.99},
    "another attribute": {
        "state_dict": {**prefixed(RAW, "net."), **prefixed(AVERAGED, "swa_model.module.")},
    },
    "lightning": {
        "state_dict": {
            **prefixed(RAW, "model."),
            **prefixed(AVERAGED, "model_ema.module."),
            "criterion.weight": torch.ones(5),
            "train_acc.tp": torch.ones(5),
        },
        "hyper_parameters": {"lr": 1e-3},
        "pytorch-lightning_version": "2.5.0",
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(1)}}}],
        "epoch": 9,
    },
}


@pytest.mark.parametrize(
    ("program", "taken", "other"),
    [
        ("timm", "state_dict_ema", "state_dict"),
        ("deit", "model_ema", "model"),
        ("torchvision", "model_ema", "model"),
        ("nested", "ema.module", "model"),
        ("another key", "params_ema", "state_dict"),
        ("another attribute", "state_dict.swa_model", "state_dict.net"),
        ("lightning", "state_dict.model_ema", "state_dict.model"),
    ],
)
def test_averaged_parameters_are_taken_unless_others_are_chosen(save, program, taken, other):
    path, said = save(BOTH[program]), []
    assert_same(read_torch_checkpoint(path, tell=said.append), AVERAGED)
    assert said[0].startswith(f"Parameters taken: '{taken}'")
    assert said[0].endswith(f"The file also has '{other}': choose with the key.")
    assert_same(read_torch_checkpoint(path, other, said.append), RAW)
    assert said[1] == f"Parameters taken: '{other}'."


def test_parameters_without_averaging_are_raw(save):
    path = save({"model_without_ema": AVERAGED, "model": RAW})
    assert_same(read_torch_checkpoint(path), RAW)


def test_the_only_parameters_in_a_file_are_taken_under_any_key(save):
    path, said = save({"net": RAW, "acc": 91.2, "epoch": 3}), []
    assert_same(read_torch_checkpoint(path, tell=said.append), RAW)
    assert said == ["Parameters taken: 'net'."]
    with pytest.raises(ValueError, match=r"Pass their key\. It has: student, teacher"):
        read_torch_checkpoint(save({"student": RAW, "teacher": AVERAGED}))


def test_whole_file_is_reported_as_such(save):
    said = []
    read_torch_checkpoint(save(RAW), tell=said.append)
    assert said == ["Parameters taken: all in the file."]


def test_scores_paths_and_defaults_beside_the_parameters(save):
    content = {
        "state_dict": RAW,
        "metric": np.float64(79.1),
        "best": [np.float32(0.5), np.int64(3), np.bool_(True)],
        "confusion": np.eye(3),
        "output": pathlib.Path("runs/1"),
        "started": datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC),
        "history": collections.defaultdict(list, loss=[1.0]),
    }
    assert_same(read_torch_checkpoint(save(content)), RAW)


def numpy_1(content, path):
    """Saves as with numpy 1, whose numbers have another name."""
    torch.save(content, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.multi", b"numpy.core.multi"))


def test_scores_that_numpy_1_wrote(tmp_path):
    path = tmp_path / "old.pth"
    numpy_1({"state_dict": RAW, "metric": np.float64(79.1)}, path)
    assert b"numpy.core.multiarray" in path.read_bytes()
    assert_same(read_torch_checkpoint(path), RAW)


def test_parameters_in_numpy_arrays(save):
    arrays = {"weight": np.arange(6, dtype="float32").reshape(2, 3)}
    assert_same(read_torch_checkpoint(save({"model": arrays})), arrays)


def test_array_of_objects_is_refused(save):
    path = save({"state_dict": RAW, "log": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(ValueError, match=r"checkpoint\.pth is "):
        read_torch_checkpoint(path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("model.safetensors.index.json", "is the index of a checkpoint in parts"),
        ("pytorch_model-00001-of-00003.bin", "is one of 3 parts"),
    ],
)
def test_checkpoint_in_parts_gives_a_clear_error(tmp_path, name, sentence):
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match=rf"{sentence}.* torch\.save\(model\.state_dict"):
        read_torch_checkpoint(tmp_path / name)


def test_only_part_of_a_checkpoint_in_parts_is_read(training, tmp_path):
    save_file(dict(training["model"]), tmp_path / "model-00001-of-00001.SAFETENSORS")
    assert read_torch_checkpoint(tmp_path / "model-00001-of-00001.SAFETENSORS")


def test_whole_model_gives_a_clear_error(save):
    path = save(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"it holds torch\.nn\..*Linear, which .*state_dict\(\)"):
        read_torch_checkpoint(path)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*TorchScript:UserWarning")
def test_torchscript_program_gives_a_clear_error(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "program.pt")
    with pytest.raises(ValueError, match=r"holds a TorchScript program, which is not run\."):
        read_torch_checkpoint(tmp_path / "program.pt")


class Trap:
    """Unpickles as a command that creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"echo > {self.path}",)


def save_pickle(protocol):
    def save(content, path):
        path.write_bytes(pickle.dumps(content, protocol=protocol))

    return save


def save_legacy(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def save_npz(content, path):
    with open(path, "wb") as file:
        np.savez(file, **{name: np.array([value], dtype=object) for name, value in content.items()})


def run_pickle(path):
    pickle.loads(path.read_bytes())


def run_torch(path):
    torch.load(path, weights_only=False)


def run_npz(path):
    with np.load(path, allow_pickle=True) as arrays:
        dict(arrays)


TRAPS = {
    "pickle.pth": (save_pickle(2), run_pickle),
    "new_pickle.pth": (save_pickle(4), run_pickle),
    "torch.pth": (torch.save, run_torch),
    "legacy.pth": (save_legacy, run_torch),
    "objects.npz": (save_npz, run_npz),
    "pickle.npz": (save_pickle(2), run_pickle),
}


@pytest.mark.parametrize("place", ["model", "args"])
@pytest.mark.parametrize(("name", "save", "run"), [(k, *v) for k, v in TRAPS.items()], ids=TRAPS)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_that_runs_a_command_is_refused(tmp_path, name, save, run, place):
    sprung = tmp_path / "sprung"
    trap = {"model": Trap(sprung), "args": argparse.Namespace(trap=Trap(sprung))}[place]
    path = tmp_path / name
    save({"state_dict": np.ones(3), "epoch": 1, place: trap}, path)
    with pytest.raises(ValueError, match=name) as raised:
        read_torch_checkpoint(path)
    assert not sprung.exists()
    assert str(raised.value).endswith(".")
    assert "weights_only" not in str(raised.value)  # no advice to run it anyway
    run(path)
    assert sprung.exists()  # the trap does work


@pytest.mark.parametrize("zipped", [True, False])
def test_the_refused_object_is_named(training, save, tmp_path, zipped):
    content = {**training, "log": Trap(tmp_path / "sprung")}
    path = save(content, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"is refused: it holds \w+\.system, which could run"):
        read_torch_checkpoint(path)


def test_an_allowed_class_is_allowed_for_one_file_only(training, save):
    path = save(training)
    read_torch_checkpoint(path)
    assert argparse.Namespace not in torch.serialization.get_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


@pytest.fixture
def whole(training, tmp_path):
    """Returns the bytes of a good file of each kind."""

    def whole(kind):
        path = tmp_path / f"whole{kind}"
        if kind == ".npz":
            np.savez(path, **{name: value.numpy() for name, value in training["model"].items()})
        elif kind == ".safetensors":
            save_file(dict(training["model"]), path)
        else:
            torch.save(training, path, _use_new_zipfile_serialization=kind == ".pth")
        assert read_torch_checkpoint(path)
        return path.read_bytes()

    return whole


DAMAGES = {
    "empty": lambda content: b"",
    "text": lambda content: b"<html><body>Sign in to download</body></html>\n",
    "one byte": lambda content: content[:1],
    "a tenth": lambda content: content[: len(content) // 10],
    "half": lambda content: content[: len(content) // 2],
    "all but a byte": lambda content: content[:-1],
    "noise": lambda content: np.random.default_rng(0).bytes(1000),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("kind", [".pth", ".legacy", ".npz", ".safetensors"])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damaged_files(whole, tmp_path, kind, damage):
    path = tmp_path / f"damaged{kind}"
    path.write_bytes(damage(whole(kind)))
    with pytest.raises(ValueError, match=r"damaged\.\w+ (is damaged, or no|is refused: it is)"):
        read_torch_checkpoint(path)


def test_an_array_in_a_file_named_npz(tmp_path):
    with open(tmp_path / "array.npz", "wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(ValueError, match=r"array\.npz is damaged, or no"):
        read_torch_checkpoint(tmp_path / "array.npz")


@pytest.mark.parametrize("name", ["absent.pth", "absent.npz", "absent.safetensors", "."])
def test_missing_files(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="There is no checkpoint file at") as raised:
        read_torch_checkpoint(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)


def test_a_missing_key(training, save):
    with pytest.raises(ValueError, match=r"nothing under the key 'ema'.*: model, model_ema, opt"):
        read_torch_checkpoint(save(training), key="ema")


@pytest.mark.parametrize("key", [None, "absent"])
def test_keys_of_a_large_file_are_counted_instead_of_listed(save, key):
    path = save({f"blocks.{number}.weight": number for number in range(1000)})
    with pytest.raises(ValueError, match=r"blocks\.11\.weight and 988 more\.$"):
        read_torch_checkpoint(path, key=key)


@pytest.mark.parametrize("key", ["optimizer", "args", "epoch", "scaler"])
def test_a_key_without_parameters(training, save, key):
    with pytest.raises(ValueError, match=f"has no parameters under {key}"):
        read_torch_checkpoint(save(training), key=key)


@pytest.mark.parametrize(
    "content", [{}, {"epoch": 1}, {"model": {}}, {0: torch.ones(1)}, {"model": {"a": "b"}}]
)
def test_no_parameters_anywhere(save, content):
    with pytest.raises(ValueError, match=r"no parameters under model_ema or .* or state_dict or"):
        read_torch_checkpoint(save(content))


@pytest.mark.parametrize("content", [torch.ones(2), [torch.ones(2)]])
def test_something_other_than_a_dict(save, content):
    with pytest.raises(ValueError, match="a checkpoint is a dict of parameters"):
        read_torch_checkpoint(save(content))


@pytest.mark.parametrize("package", ["torch", "safetensors"])
def test_the_missing_package_is_named(tmp_path, monkeypatch, package):
    path = tmp_path / {"torch": "a.pth", "safetensors": "a.safetensors"}[package]
    path.write_bytes(b"any")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        read_torch_checkpoint(path)
