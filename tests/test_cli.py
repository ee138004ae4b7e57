"""The `cabvit` command: its output, its files, and a clear error when it fails."""

import argparse
import importlib
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
import torch
from backend_process import REPOSITORY

import keras_cabvit.cli
from keras_cabvit.cli import main
from keras_cabvit.commands import export, training_program
from keras_cabvit.data import evaluation_image
from keras_cabvit.export.options import warns_of_pixels
from keras_cabvit.pytorch import load_torch_state_dict
from keras_cabvit.runtimes import load_saved_model, open_model
from training.__main__ import COMMANDS as TRAINING_COMMANDS
from training.__main__ import main as training_main

pytestmark = pytest.mark.usefixtures("png_files")

REFERENCE = Path(__file__).with_name("reference") / "reference.json"
VERIFY = ["verify", "int8.tflite", "--against", "model.keras", "--data", "images"]


def published(variant):
    """Returns random parameters under the published names."""
    shapes = json.loads(REFERENCE.read_text())[variant]["state_dict"]
    state_dict = {}
    for name, shape in shapes.items():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        state_dict[name] = rng.uniform(0.1, 0.9, shape).astype("float32")
    return state_dict


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint file as a program that trains CabViTP_T saves it."""
    tensors = {name: torch.from_numpy(array) for name, array in published("CabViTP_T").items()}
    path = tmp_path_factory.mktemp("download") / "checkpoint.pth"
    content = {"model": tensors, "epoch": 299, "args": argparse.Namespace(lr=2e-3)}
    torch.save(content, path)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("KERAS_CABVIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KERAS_CABVIT_WEIGHTS_URL", raising=False)
    return tmp_path / "home"


def started(*arguments, **variables):
    """Starts the command in a separate process, with environment variables."""
    paths = [str(Path(keras_cabvit.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | variables
    del environment["TF_CPP_MIN_LOG_LEVEL"]  # users have not set it
    return subprocess.Popen(
        [sys.executable, "-m", "keras_cabvit", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments):
    """Runs the command in a separate process."""
    process = started(*arguments)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def assert_refused(capsys, arguments, *parts):
    """Status 1, a message that begins with the command's name, nothing on standard output."""
    assert main([str(argument) for argument in arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"cabvit {arguments[0]}: ")
    for part in parts:
        assert part in printed.err


@pytest.mark.parametrize(
    ("program", "arguments", "name"),
    [
        (main, ["summary", "CabViTP_T"], "cabvit summary"),
        (training_main, ["publish", "a", "--out", "b"], "publish"),
    ],
)
def test_full_disk_in_words_of_another_library_gives_a_clear_error(
    program, arguments, name, monkeypatch, capsys
):
    def fill_the_disk(*_, **__):
        raise RuntimeError("/tmp/a: No space left on device [Op:SaveV2]")

    monkeypatch.setattr("keras_cabvit.commands.summary.build_variant", fill_the_disk)
    monkeypatch.setattr("training.commands.publish.publish", fill_the_disk)
    assert program(arguments) == 1
    sentence = "The disk is full, or the limit on the size of files is reached."
    assert capsys.readouterr().err == f"{name}: {sentence}\n"


def test_the_module_is_a_program_too(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cabvit", "train"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(keras_cabvit.cli.__file__, run_name="__main__")
    assert ended.value.code == 2


def test_the_installed_command_is_this_one(monkeypatch):
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["cabvit"].partition(":")
    monkeypatch.setattr(sys, "argv", ["cabvit", "train"])
    assert getattr(importlib.import_module(module), function)() == 2


def test_summary_counts_every_part(capsys):
    assert main(["summary", "CabViTH_S"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "CabViTH_S at 224x224"
    rows = [line.split() for line in lines[1:] if not line.startswith("-")]
    assert rows[0] == ["part", "output", "parameters", "MACs"]
    assert [row[0] for row in rows[1:-1]] == [
        *("stem", "stage_0", "merging_1", "stage_1", "merging_2"),
        *("stage_2", "merging_3", "stage_3", "head"),
    ]
    assert dict(zip(rows[0], rows[6], strict=False))["output"] == "14x14x320"
    parameters = [int(row[2].replace(",", "")) for row in rows[1:-1]]
    assert rows[-1][:2] == ["total", "16,275,870"]
    assert sum(parameters) == 16_275_870
    macs = [float(row[3].replace(",", "")) for row in rows[1:-1]]
    total = float(rows[-1][2].replace(",", ""))
    assert total == pytest.approx(sum(macs), abs=0.1 * len(macs))
    assert total == pytest.approx(3585, rel=0.005)
    assert len(set(map(len, lines[1:]))) == 1  # the last column is right-aligned


def test_summary_at_another_size(capsys):
    assert main(["summary", "CabViTP_T", "--image-size", "64x96"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("CabViTP_T at 64x96\n")
    assert "25x192" in out  # the class token and 4x6 patches


def test_summary_of_an_unknown_variant(capsys):
    names = "CabViTH_T, CabViTH_S, CabViTH_B, CabViTH_L, CabViTP_T, CabViTP_S, CabViTP_B"
    assert_refused(capsys, ["summary", "CabViTH_XL"], names, "'CabViTH_XL'")


def test_summary_at_an_impossible_size(capsys):
    assert_refused(
        capsys, ["summary", "CabViTH_T", "--image-size", "100x224"], "multiples of 32", "96x224"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["trian"], "invalid choice: 'trian'"),
        (["summary"], "VARIANT"),
        (["summary", "CabViTH_S", "--image-size", "224"], "must be HEIGHTxWIDTH, such as 224x224"),
        (["summary", "CabViTH_S", "--image-size", "axb"], "must be HEIGHTxWIDTH"),
        (
            ["summary", "CabViTH_S", "--image-size", "0x224"],
            "with sides of at least 1, not '0x224'",
        ),
        *(
            ([*VERIFY, option, "nan"], f"{option}: must be a number, not 'nan'")
            for option in ("--min-agreement", "--min-decibels", "--max-drop", "--max-latency")
        ),
        ([*VERIFY, "--rounds", "0"], "--rounds: must be an integer of at least 1, not '0'"),
        (["convert", "checkpoint.pth"], "--variant"),
    ],
)
def test_invalid_arguments_are_refused(capsys, arguments, message):
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert message in capsys.readouterr().err


def test_commands_of_the_training_program_are_explained(capsys):
    assert set(training_program.COMMANDS) == set(TRAINING_COMMANDS)
    for command in training_program.COMMANDS:
        assert main([command, "--out", "run"]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"cabvit: `{command}` is a command of the training program")
        assert f"`python -m training {command}`. Here that runs {REPOSITORY / 'training'}." in error


def test_another_training_package_is_named(capsys, tmp_path, monkeypatch):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    assert main(["train"]) == 2
    error = capsys.readouterr().err
    assert f"another module, {tmp_path / 'training' / '__init__.py'}. `python -P -m" in error


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--help"], ["summary", "convert", "PyTorch"]),
        (["summary", "--help"], ["VARIANT", "--image-size"]),
        (["convert", "--help"], ["CHECKPOINT", "--variant", "--output", "--key", "--image-size"]),
    ],
)
def test_help(capsys, arguments, parts):
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 0
    out = capsys.readouterr().out
    for part in parts:
        assert part in out


@pytest.mark.slow
def test_converted_weights_are_found(checkpoint, home, capsys):
    assert main(["convert", str(checkpoint), "--variant", "CabViTP_T"]) == 0
    path = home / "CabViTP_T_imagenet.weights.h5"
    assert capsys.readouterr().out.splitlines() == [
        f"CabViTP_T: {path} ({path.stat().st_size / 1e6:.1f} MB)",
        "Parameters taken: 'model'.",
        'keras_cabvit.CabViTP_T(weights="imagenet") finds it there.',
    ]
    model = keras_cabvit.CabViTP_T(weights="imagenet")
    expected = load_torch_state_dict(keras_cabvit.CabViTP_T(), published("CabViTP_T"))
    for weight, value in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.slow
def test_refusal_from_end_to_end(checkpoint, home):
    process = run("convert", checkpoint, "--variant", "CabViTP_XL")
    assert process.returncode == 1
    assert process.stdout == ""
    # Nothing of TensorFlow's, which has been imported.
    (line,) = process.stderr.splitlines()
    assert line.startswith("cabvit convert: `variant` must be one of ")
    assert not home.exists()


def test_convert_with_every_option(tmp_path, home, capsys):
    state_dict = published("CabViTP_T")
    state_dict["head.weight"] = state_dict["head.weight"][:10]
    state_dict["head.bias"] = state_dict["head.bias"][:10]
    state_dict["pos_embed"] = state_dict["pos_embed"][:, : 1 + 1 * 2]
    for index in range(1, 12):  # one digest token per block, not sixteen
        for name, axis in (("s_token_bias", 3), ("s_scale_factors", 1)):
            name = f"blocks.{index}.{name}"
            state_dict[name] = np.take(state_dict[name], range(index), axis)
    path, output = tmp_path / "own.pth", tmp_path / "own.weights.h5"
    torch.save({"averaged": {k: torch.from_numpy(v) for k, v in state_dict.items()}}, path)
    options = ["--output", output, "--key", "averaged", "--image-size", "16x32"]
    assert main(["convert", str(path), "--variant", "CabViTP_T", *map(str, options)]) == 0
    assert capsys.readouterr().out.startswith(f"CabViTP_T: {output} (")
    model = keras_cabvit.CabViTP_T(input_shape=(16, 32, 3), classes=10, weights=output)
    bias = keras.ops.convert_to_numpy(model.get_layer("predictions").bias)
    np.testing.assert_array_equal(bias, state_dict["head.bias"])
    assert not home.exists()


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"echo > {self.path}",)


def test_convert_refuses_a_pickle_that_runs_a_command(tmp_path, home, capsys):
    path, sprung = tmp_path / "checkpoint.pth", tmp_path / "sprung"
    torch.save({"model": {}, "args": Trap(sprung)}, path)
    arguments = ["convert", path, "--variant", "CabViTP_T"]
    assert_refused(capsys, arguments, f"{path} is refused: it holds", "system")
    assert not sprung.exists()
    assert not home.exists()


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--variant", "CabViTH_XL"], ["`variant` must be one of CabViTH_T, CabViTH_S"]),
        (["--variant", "CabViTP_T", "--key", "model_ema"], ["'model_ema'. It has: model, epoch"]),
        (["--variant", "CabViTP_T", "--key", "epoch"], ["has no parameters under epoch"]),
        (
            ["--variant", "CabViTP_T", "--output", "a.h5"],
            ["`path` must end in .weights.h5", "a.h5"],
        ),
        (["--variant", "CabViTP_T", "--image-size", "32x32"], ["`output` must be given", "32"]),
        (["--variant", "CabViTP_T", "--image-size", "30x32"], ["multiples of 16"]),
    ],
)
def test_convert_with_a_wrong_option(checkpoint, home, capsys, options, parts):
    assert_refused(capsys, ["convert", checkpoint, *options], *parts)
    assert not home.exists()


@pytest.mark.parametrize("name", ["text.pth", "text.npz", "text.safetensors"])
def test_convert_of_something_else_than_a_checkpoint(tmp_path, home, capsys, name):
    (tmp_path / name).write_text("<html><body>Sign in to download</body></html>\n")
    arguments = ["convert", tmp_path / name, "--variant", "CabViTP_T"]
    assert_refused(capsys, arguments, f"{tmp_path / name} is ", "damaged, or ")


def test_convert_of_a_missing_file(tmp_path, home, capsys):
    arguments = ["convert", tmp_path / "absent.pth", "--variant", "CabViTP_T"]
    assert_refused(capsys, arguments, f"There is no checkpoint file at {tmp_path / 'absent.pth'}.")


def test_convert_to_an_unwritable_path(checkpoint, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "a.weights.h5"
    arguments = ["convert", checkpoint, "--variant", "CabViTP_T", "--output", output]
    assert_refused(capsys, arguments, str(tmp_path / "file"))


@pytest.fixture
def exportable(tmp_path):
    """A classifier, and its .keras file beside the other files that a training run writes."""
    classifier = tiny_models.pattern_classifier()
    path = tmp_path / "model.keras"
    classifier.save(path)
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat\ndog\nelk\n")
    (tmp_path / "run.json").write_text('{"recipe": {"evaluation_crop": 0.5}}')
    return classifier, path


def test_export_for_a_server_has_the_labels_and_the_crop_of_the_run(exportable, tmp_path, capsys):
    classifier, path = exportable
    output = ["--output", str(tmp_path / "served"), "--batch-sizes", "1"]

    assert main(["export", "saved-model", str(path), *output]) == 0
    version = tmp_path / "served" / "1"
    assert str(version) in capsys.readouterr().out
    assert (version / "saved_model.pb").is_file()
    assert (version / "assets" / "labels.txt").read_text().startswith("ant\n")

    (photograph,) = tiny_models.patterned_images((200, 240, 3), 1)
    file = tf.io.encode_png(photograph)
    served = load_saved_model(version)
    found = served.runtime.signatures["serving_bytes"](image_bytes=[file])
    cropped = evaluation_image(photograph, (64, 64), crop=0.5)[None]
    expected = np.sort(tiny_models.outputs(classifier, np.asarray(cropped, "float32"))[0])[::-1]
    np.testing.assert_allclose(found["scores"][0], expected, atol=1e-5)


def test_verify_accepts_an_export_in_half_precision_with_frozen_weights(tmp_path, capsys):
    path, served = str(tmp_path / "model.keras"), str(tmp_path / "served")
    model = tiny_models.filled(tiny_models.plain(depth=1))
    model.save(path)
    images = np.rint(tiny_models.images(model, batch=4)).astype("uint8")
    np.savez(tmp_path / "data.npz", images=images)

    form = ["--precision", "bfloat16", "--frozen-weights", "--batch-sizes", "1"]
    assert main(["export", "saved-model", path, "--output", served, *form]) == 0
    stored = tf.train.list_variables(str(tmp_path / "served" / "1" / "variables" / "variables"))
    assert not any(name.startswith("model_variables") for name, _ in stored)
    capsys.readouterr()
    data = ["--data", str(tmp_path / "data.npz"), "--rounds", "1", "--json"]
    assert main(["verify", served, "--against", path, *data]) == 0
    assert 25 < json.loads(capsys.readouterr().out)["signal_to_noise"] < 80  # float32: above 100


def test_export_for_an_app_has_labels_metadata_and_calibration(exportable, tmp_path):
    _, path = exportable
    for number, pixels in enumerate(tiny_models.patterned_images((64, 64, 3), 16)):
        keras.utils.save_img(tmp_path / f"{number}.png", pixels, scale=False)
    lite = tmp_path / "model.tflite"
    form = ["--quantization", "int8-static", "--calibration", str(tmp_path), "--author", "Ada"]

    # The run's folder stands for its .keras file.
    assert main(["export", "tflite", str(path.parent), "--output", str(lite), *form]) == 0
    assert b"Ada" in lite.read_bytes()
    with zipfile.ZipFile(lite) as archive:
        assert archive.read("labels.txt") == b"ant\nbee\ncat\ndog\nelk\n"


@pytest.mark.parametrize("choice", [None, "stored", "computed"])
def test_export_passes_on_the_attention_bias_option(exportable, tmp_path, monkeypatch, choice):
    given = {}

    def to_tflite(model, path, **options):
        given.update(options)
        path.touch()
        return path

    monkeypatch.setattr(export, "to_tflite", to_tflite)
    options = ["--attention-bias", choice] if choice else []
    output = ["--output", str(tmp_path / "model.tflite")]
    assert main(["export", "tflite", str(exportable[1]), *output, *options]) == 0
    assert given["attention_bias"] == (choice or "stored")
    assert given["quantization"] == "int8"


@pytest.mark.slow
@pytest.mark.parametrize(("given", "size"), [(["48"], (48, 48)), (["48", "80"], (48, 80))])
def test_export_resamples_to_the_image_size(tiny_plain, tmp_path, monkeypatch, given, size):
    exported = []

    def to_tflite(model, path, **_):
        exported.append(model.input_shape)
        path.touch()
        return path

    monkeypatch.setattr(export, "to_tflite", to_tflite)
    tiny_plain.save(tmp_path / "model.keras")
    files = [str(tmp_path / "model.keras"), "--output", str(tmp_path / "model.tflite")]
    assert main(["export", "tflite", *files, "--image-size", *given]) == 0
    assert exported == [(None, *size, 3)]


@pytest.mark.parametrize(
    ("options", "noted"), [({"include_preprocessing": False}, True), ({}, False)]
)
def test_export_notes_a_model_that_does_not_normalise_its_pixels(
    tmp_path, monkeypatch, capsys, options, noted
):
    model = str(tmp_path / "model.keras")
    tiny_models.plain(depth=1, **options).save(model)
    wrapped = warns_of_pixels(lambda model, path, **_: path)
    monkeypatch.setattr(export, "to_onnx", wrapped)
    monkeypatch.setattr(export, "size_on_disk", lambda path: 0)

    assert main(["export", "onnx", model, "--output", str(tmp_path / "model.onnx")]) == 0
    assert capsys.readouterr().err.count("does not normalise pixels itself") == noted


def test_export_of_an_impossible_image_size_gives_a_clear_error(tiny_plain, tmp_path, capsys):
    tiny_plain.save(tmp_path / "model.keras")
    files = [str(tmp_path / "model.keras"), "--output", str(tmp_path / "model.tflite")]
    for given, sentence in (
        (["50"], "`image_size` must be (height, width), both multiples of 8."),
        (["48", "48", "3"], "`--image-size` must be one number, for a square, or a height and a"),
    ):
        assert main(["export", "tflite", *files, "--image-size", *given]) == 1
        assert capsys.readouterr().err.startswith(f"cabvit export: {sentence}")
    assert not (tmp_path / "model.tflite").exists()


def test_terminated_export_leaves_nothing(tmp_path):
    model, served = tmp_path / "model.keras", tmp_path / "served"
    tiny_models.pattern_classifier().save(model)
    process = started("export", "saved-model", model, "--output", served)
    while not list(served.glob(".partial-*")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()

    assert process.returncode == 130
    assert errors == "\ncabvit export: interrupted.\n"  # TensorFlow has computed by then
    assert not served.exists()


def test_terminated_export_by_a_second_process_leaves_nothing(tmp_path):
    model, temporary = tmp_path / "model.keras", tmp_path / "temporary"
    tiny_models.plain(depth=2).save(model)
    temporary.mkdir()
    variables = {"KERAS_BACKEND": "torch", "TMPDIR": str(temporary)}
    output = tmp_path / "exported" / "model.tflite"
    process = started("export", "tflite", model, "--output", output, **variables)
    while not list(temporary.glob("*/*/*")):  # what the second process converts
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()

    assert process.returncode == 130
    assert errors.endswith("\ncabvit export: interrupted.\n")
    assert list(temporary.glob("tmp*")) == []  # PyTorch makes a folder of its own
    assert not output.parent.exists()


def test_export_of_a_missing_model_gives_a_clear_error(tmp_path, capsys):
    missing = str(tmp_path / "none.keras")

    assert main(["export", "saved-model", missing, "--output", str(tmp_path / "served")]) == 1
    assert capsys.readouterr().err == (
        f"cabvit export: There is nothing at {missing}. Give a run's folder, a .keras file (or "
        "the folder of an unpacked one), or the name of weights, imagenet or tiny_imagenet.\n"
    )
    assert not (tmp_path / "served").exists()


@pytest.mark.parametrize("command", ["export", "verify"])
def test_an_export_in_place_of_its_model_gives_a_clear_error(tmp_path, capsys, command):
    lite = tmp_path / "model.tflite"
    lite.touch()
    arguments = {
        "export": ["export", "onnx", lite, "--output", tmp_path / "model.onnx"],
        "verify": ["verify", lite, "--against", lite, "--data", tmp_path],
    }[command]
    assert_refused(
        capsys, arguments, f"{lite} is an export (TFLite). Give the run or the .keras file"
    )


@pytest.mark.parametrize("current", [False, True])
def test_folder_of_an_unpacked_model_has_its_own_labels_and_crop(
    exportable, tmp_path, monkeypatch, current
):
    _, path = exportable
    folder = tmp_path / "clothes"
    shutil.unpack_archive(path, folder, "zip")
    for name in ("labels.txt", "run.json"):
        (tmp_path / name).rename(folder / name)
    (tmp_path / "run.json").write_text('{"recipe": {"evaluation_crop": 0.25}}')  # another's
    monkeypatch.chdir(folder if current else tmp_path)
    output = tmp_path / "served"

    assert (
        main(["export", "saved-model", "." if current else "clothes", "--output", str(output)]) == 0
    )
    opened = open_model(output)
    assert opened.evaluation_crop == 0.5
    assert opened.class_names == ("ant", "bee", "cat", "dog", "elk")


def test_unpacked_model_takes_no_labels_or_crop_from_beside_its_folder(exportable, tmp_path):
    _, path = exportable  # with labels.txt and run.json beside it
    folder = tmp_path / "clothes"
    shutil.unpack_archive(path, folder, "zip")

    opened = open_model(folder)

    assert (opened.class_names, opened.evaluation_crop) == (None, None)
