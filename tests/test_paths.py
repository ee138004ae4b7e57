"""The one rule for paths: `~` is the home folder, and addresses of remote storage are refused."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from backend_process import REPOSITORY

import keras_cabvit
from keras_cabvit import export, pytorch, runtimes, weights
from keras_cabvit.atomic_files import atomic_folder, write_text_atomically
from keras_cabvit.cli import main
from keras_cabvit.commands.arguments import path_argument
from keras_cabvit.data.folders.image_folder import images_of_folder, read_image_folder
from keras_cabvit.data.folders.images_below import images_below
from keras_cabvit.data.image_files import read_npz
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.delegation import delegation
from keras_cabvit.runtimes.opened_model import OpenedModel
from keras_cabvit.runtimes.prediction_file import prediction_file
from keras_cabvit.runtimes.run_record import read_run
from keras_cabvit.weights.cache import cache_folder
from keras_cabvit.weights.download import download
from training.compare import compare
from training.data.opening import open_data_set
from training.evaluate import evaluate
from training.publish import publish
from training.quickstart import quickstart
from training.recipes.initial_weights import initial_weights_file
from training.recipes.quickstart import QUICKSTART
from training.recipes.recipe import ModelOptions
from training.report.page import write_report
from training.run.options import TrainOptions
from training.show_batch import show_batch
from training.train import train

MODEL = "model.keras"


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """The working folder, which is empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home folder, which is empty."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


ADDRESSES = [
    "gs://bucket/run",
    "s3://bucket/run",
    "hdfs://host:9000/run",
    "abfs://container@account/run",
    "https://host/model.keras",
    "HTTP://host/model.keras",
    "file:///data/model.keras",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("kind", [str, Path])
def test_address_is_refused_by_name(address, kind):
    scheme, _, rest = address.partition("://")
    with pytest.raises(ValueError, match="`out` must be a path on this computer") as raised:
        local_path(kind(address), "out")
    # `Path` drops one of the three slashes of file:///data.
    assert f"Received: {scheme}://{rest.lstrip('/')}. " in str(raised.value)


def test_password_in_an_address_is_not_repeated():
    with pytest.raises(ValueError, match=r"Received: s3://\*\*\*@bucket/run\. "):
        local_path("s3://key:se cret@bucket/run")


@pytest.mark.parametrize(
    "path", ["runs/1", "/data/1", r"C:\runs", "C:/runs", "a:b", "a ~ b", "runs/~/1", "", "gs:1"]
)
def test_other_paths_are_unchanged(path):
    assert local_path(path) == Path(path)


def test_home_folder_is_expanded(home):
    assert local_path("~/runs") == local_path(Path("~/runs")) == home / "runs"
    assert local_path("~") == home


def test_home_of_an_unknown_user_gives_a_clear_error():
    with pytest.raises(ValueError, match=r"`out` begins with the home folder of a user .* ~nobod"):
        local_path("~nobody-of-this-name/runs", "out")


def classifier():
    return tiny_models.pattern_classifier()


def opened():
    return OpenedModel(
        Path(MODEL), MODEL, "Keras", classifier().predict_on_batch, (64, 64), 5, None, 0, None
    )


# By argument: a call of every public function that takes a path.
CALLS = {
    ("to_saved_model", "path"): lambda path: export.to_saved_model(classifier(), path),
    ("to_saved_model", "labels"): lambda path: export.to_saved_model(
        classifier(), "served", labels=path
    ),
    ("to_tflite", "path"): lambda path: export.to_tflite(classifier(), path + ".tflite"),
    ("to_tflite", "labels"): lambda path: export.to_tflite(
        classifier(), "a.tflite", "none", labels=path
    ),
    ("to_tflite", "calibration"): lambda path: export.to_tflite(
        classifier(), "a.tflite", "int8-static", calibration=path
    ),
    ("to_onnx", "path"): lambda path: export.to_onnx(classifier(), path + ".onnx"),
    ("to_onnx", "labels"): lambda path: export.to_onnx(classifier(), "a.onnx", labels=path),
    ("load_keras", "path"): runtimes.load_keras,
    ("load_onnx", "path"): runtimes.load_onnx,
    ("load_saved_model", "path"): runtimes.load_saved_model,
    ("load_tflite", "path"): runtimes.load_tflite,
    ("open_model", "path"): runtimes.open_model,
    ("predict_files", "model"): lambda path: runtimes.predict_files(path, []),
    ("predict_files", "files"): lambda path: list(runtimes.predict_files(opened(), [path])),
    ("verify", "model"): lambda path: runtimes.verify("export", path, np.zeros(0)),
    ("delegation", "path"): delegation,
    ("save_weights", "path"): lambda path: weights.save_weights(classifier(), path + ".weights.h5"),
    ("describe_hdf5", "path"): weights.describe_hdf5,
    ("read_stored_sizes", "path"): weights.read_stored_sizes,
    ("load_weights", "path"): lambda path: weights.load_weights(classifier(), path),
    ("CabViTP_T", "weights"): lambda path: keras_cabvit.CabViTP_T(weights=path),
    ("read_torch_checkpoint", "path"): pytorch.read_torch_checkpoint,
    ("convert_torch_checkpoint", "checkpoint"): lambda path: pytorch.convert_torch_checkpoint(
        path, "CabViTP_T"
    ),
    ("convert_torch_checkpoint", "output"): lambda path: pytorch.convert_torch_checkpoint(
        "absent.pth", "CabViTP_T", path
    ),
    ("download", "destination"): lambda path: download("file:///none", path, "0" * 64),
    ("images_below", "folder"): images_below,
    ("prediction_file", "path"): lambda path: prediction_file(path + ".csv", 1).__enter__(),
    ("images_of_folder", "folder"): lambda path: images_of_folder(path, ("train",)),
    ("read_image_folder", "path"): read_image_folder,
    ("read_npz", "path"): read_npz,
    ("write_text_atomically", "path"): lambda path: write_text_atomically(path, "text"),
    ("atomic_folder", "path"): lambda path: atomic_folder(path, "test").__enter__(),
    ("train", "out"): lambda path: train(QUICKSTART, TrainOptions("fashion_mnist", path)),
    ("train", "data"): lambda path: train(QUICKSTART, TrainOptions(f"folder:{path}", "run")),
    ("evaluate", "path"): evaluate,
    ("evaluate", "out"): lambda path: evaluate("model", out=path),
    ("compare", "paths"): lambda path: compare([path]),
    ("publish", "run"): lambda path: publish(path, "out"),
    ("publish", "out"): lambda path: publish("run", path),
    ("quickstart", "folder"): quickstart,
    ("show_batch", "path"): lambda path: show_batch(None, None, path),
    ("write_report", "folder"): lambda path: write_report(path, None),
    ("read_run", "folder"): read_run,
    ("open_data_set", "spec"): lambda path: open_data_set(f"folder:{path}"),
    ("initial_weights_file", "initial_weights"): lambda path: initial_weights_file(
        ModelOptions("CabViTP_T", initial_weights=path)
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=[".".join(names) for names in CALLS])
def test_functions_refuse_addresses_before_anything_is_written(call, empty_folder):
    with pytest.raises(ValueError, match=r"must be a path on this computer.*gs://bucket/x"):
        call("gs://bucket/x")
    assert list(empty_folder.iterdir()) == []


def test_every_public_function_with_a_path_is_called_above():
    for package in (export, pytorch, runtimes, weights):
        for name in package.__all__:
            function = getattr(package, name)
            if not inspect.isfunction(function):
                continue
            for argument in inspect.signature(function).parameters.values():
                if "PathLike" in str(argument.annotation) and name != "verify":
                    assert (name, argument.name) in CALLS


def test_environment_variable_of_the_cache_follows_the_rule(home, monkeypatch):
    monkeypatch.setenv("KERAS_CABVIT_HOME", "~/cache")
    assert cache_folder() == home / "cache"
    monkeypatch.setenv("KERAS_CABVIT_HOME", "gs://bucket/cache")
    with pytest.raises(ValueError, match="`KERAS_CABVIT_HOME` must be a path on this computer"):
        cache_folder()


def test_outputs_below_the_home_folder_are_written_there(home, empty_folder):
    write_text_atomically("~/new/scores.json", "{}")
    with atomic_folder("~/published", "test"):
        pass
    model = classifier()
    assert weights.save_weights(model, "~/a.weights.h5") == home / "a.weights.h5"
    weights.load_weights(model, "~/a.weights.h5")
    assert export.to_saved_model(model, "~/served", batch_sizes=()) == home / "served" / "1"

    assert {path.name for path in home.iterdir()} == {
        *("new", "published", "a.weights.h5", "served")
    }
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "gs://bucket/a.pth", "--variant", "CabViTP_T"],
        ["convert", "a.pth", "--variant", "CabViTP_T", "--output", "gs://bucket/a.weights.h5"],
        ["export", "saved-model", MODEL, "--output", "gs://bucket/served"],
        ["export", "tflite", MODEL, "--output", "gs://bucket/a.tflite"],
        ["export", "onnx", MODEL, "--output", "gs://bucket/a.onnx"],
        ["export", "tflite", MODEL, "--output", "a.tflite", "--labels", "gs://bucket/labels.txt"],
        ["export", "tflite", MODEL, "--output", "a.tflite", "--calibration", "gs://bucket/a"],
        ["verify", "gs://bucket/a.tflite", "--against", MODEL, "--data", "images"],
        ["predict", "gs://bucket/a.jpg", "--model", MODEL],
        ["predict", "a.jpg", "--model", "gs://bucket/run"],
        ["predict", "a.jpg", "--model", MODEL, "--output", "gs://bucket/a.csv"],
        ["client", "gs://bucket/a.jpg", "--rest", "http://127.0.0.1:1"],
    ],
)
def test_command_refuses_addresses(arguments, empty_folder, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "must be a path on this computer. Received: gs://bucket/" in capsys.readouterr().err
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize("folder", ["keras_cabvit/commands", "benchmarks"])
def test_every_path_of_a_command_line_follows_the_rule(folder):
    for file in (REPOSITORY / folder).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "type":
                assert ast.unparse(node.value) != "Path", f"{file}: use {path_argument.__name__}"


def test_training_commands_parse_their_options_in_one_place():
    for file in (REPOSITORY / "training" / "commands").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "tyro.cli" not in text or file.name == "parsing.py", file
