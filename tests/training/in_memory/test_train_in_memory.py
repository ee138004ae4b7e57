"""Training on an accelerator that holds all images, here JAX's CPU, as a command."""

import dataclasses
import json
import os
import re
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest
from backend_process import REPOSITORY

from training.__main__ import main
from training.in_memory.checks import check_for_memory
from training.recipes.dotted import with_fields
from training.recipes.model import build_model
from training.recipes.recipe import ModelOptions
from training.recipes.tiny_imagenet import TINY_IMAGENET
from training.train_in_memory import InMemoryOptions, train_in_memory

MODEL = ModelOptions(
    "CabViTP", image_size=(16, 16), embed_dims=(16,), depths=(1,), num_heads=(2,), patch_size=8
)
OPTIONS = shlex.split(
    "--recipe tiny_imagenet --model.variant CabViTP --model.image-size 16 16 "
    "--model.embed-dims 16 --model.depths 1 --model.num-heads 2 --model.patch-size 8"
)
TRAINING = shlex.split(
    "--epochs 12 --batch-size 16 --validation-share 0.25 --optimization.warmup-epochs 1 "
    "--optimization.average-momentum 0.5"
)
TOO_LARGE_A_BATCH = ("--batch-size", "512")
NO_SHARE = ("--teacher-share", "0")
OTHER_SIZE = ("--model.image-size", "32", "32")


def command(folder, out, *others):
    """Returns the arguments of `python -m training`."""
    files = {name: folder / f"{name}.npy" for name in ("images", "labels")}
    places = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    return ["train-in-memory", *OPTIONS, *places, "--out", str(out), *others]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with 64 images of two classes, dark and bright, and their labels."""
    folder = tmp_path_factory.mktemp("images")
    labels = np.arange(64) % 2
    pixels = np.random.default_rng(0).integers(0, 100, (64, 16, 16, 3))
    np.save(folder / "images.npy", (pixels + 150 * labels[:, None, None, None]).astype("uint8"))
    np.save(folder / "floats.npy", pixels.astype("float32"))
    np.save(folder / "labels.npy", labels)
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A model for larger images that gives every image to class 0, with a probability of 0.8."""
    path = tmp_path_factory.mktemp("teacher") / "teacher.keras"
    model = build_model(dataclasses.replace(MODEL, image_size=(32, 32)), classes=2)
    classifier = model.get_layer("predictions")
    classifier.set_weights([0 * classifier.get_weights()[0], np.log([0.8, 0.2])])
    model.save(path)
    return path


@pytest.fixture(scope="module")
def outcomes(images, teacher, run_python):
    """Exit statuses and errors of commands in a process that cannot import TensorFlow."""
    blocked = images / "blocked"
    blocked.mkdir()
    other_run = images / "other_run"
    (other_run / "checkpoints").mkdir(parents=True)
    (blocked / "tensorflow.py").write_text("raise ImportError('not installed here')\n")
    commands = [
        command(images, images / "refused", *TOO_LARGE_A_BATCH),
        command(images, images / "refused", *NO_SHARE),
        command(images, images / "run", *TRAINING),
        command(images, images / "taught", *TRAINING, "--teacher", str(teacher)),
        command(images, images / "short", *TRAINING, *OTHER_SIZE, "--minutes", "1e-6"),
        command(images, images / "refused", "--images", str(images / "floats.npy")),
        command(images, images / "refused", *TRAINING, "--teacher", str(images / "none.keras")),
        command(images, images / "refused", *TRAINING, "--teacher", str(images / "labels.npy")),
        ["on-full-disk", *command(images, images / "new" / "failed", *TRAINING)],
        command(images, other_run, *TRAINING),
    ]
    program = [Path(__file__).with_name("run_commands.py"), json.dumps(commands)]
    return run_python(program, "jax", PYTHONPATH=os.pathsep.join(map(str, (blocked, REPOSITORY))))


def test_command_trains_a_classifier_without_tensorflow(images, outcomes):
    status, errors = outcomes[2]
    assert status == 0, errors
    record = json.loads((images / "run" / "run.json").read_text())
    assert [row["epoch"] for row in record["epochs"]] == [5, 10, 12]
    assert record["epochs"][-1]["val_top1"] == 1.0
    assert record["images"]["training"] == 48
    model = build_model(MODEL, classes=2)
    model.load_weights(images / "run" / "model.weights.h5")
    pixels, labels = (np.load(images / name) for name in ("images.npy", "labels.npy"))
    found = model.predict(pixels.astype("float32"), verbose=0).argmax(-1)
    np.testing.assert_array_equal(found, labels)


def test_teacher_of_another_image_size_gives_the_targets(images, outcomes):
    status, errors = outcomes[3]
    assert status == 0, errors
    model = build_model(MODEL, classes=2)
    model.load_weights(images / "taught" / "model.weights.h5")
    found = model.predict(np.load(images / "images.npy").astype("float32"), verbose=0)
    # Nine parts of the teacher's 0.8, and one of the labels.
    assert np.all(found[:, 0] > 0.6)
    assert np.mean(found[:, 0]) == pytest.approx(0.9 * 0.8 + 0.1 * 0.5, abs=0.08)


def test_minutes_take_as_many_epochs_as_fit_of_images_of_any_size(images, outcomes):
    status, errors = outcomes[4]
    assert status == 0, errors
    model = build_model(dataclasses.replace(MODEL, image_size=(32, 32)), classes=2)
    model.load_weights(images / "short" / "model.weights.h5")
    record = json.loads((images / "short" / "run.json").read_text())
    assert [row["epoch"] for row in record["epochs"]] == [1]
    assert record["recipe"]["epochs"] == 1


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (0, "`batch_size` must be at most the 62 training images"),
        (1, "`teacher_share` must be above 0, at most 1. Received: 0.0"),
        (5, "`images` must be uint8 of shape (images, height, width, 3). Received: float32"),
        (6, "none.keras"),
        (7, "`teacher` must be a .keras file, or a .weights.h5 file of one of CabViTH_T"),
    ],
    ids=["batch", "teacher_share", "images", "no_teacher", "teacher"],
)
def test_arguments_that_do_not_fit_give_a_clear_error(images, outcomes, number, message):
    status, errors = outcomes[number]
    assert status == 1
    assert message in errors
    assert not (images / "refused").exists()


def test_nothing_is_left_of_a_run_without_an_epoch(images, outcomes):
    status, errors = outcomes[8]
    assert status == 1
    assert "The disk is full" in errors
    assert not (images / "new").exists()


def test_folder_of_another_kind_of_run_is_refused(images, outcomes):
    status, errors = outcomes[9]
    assert status == 1
    assert "must not be the folder of a run of `train`" in errors
    assert os.listdir(images / "other_run") == ["checkpoints"]


def test_another_backend_is_refused(images, tmp_path, capsys):
    assert main(command(images, tmp_path / "run")) == 1
    assert "KERAS_BACKEND=jax" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("augmentation.erasing_probability", 0.25, 0),
        ("augmentation.vertical_flip", 0.5, 0),
        ("augmentation.crop_interpolation", "bicubic", "bilinear"),
        ("augmentation.crop_antialias", True, False),
        ("augmentation.library", "keras_cv", "tensorflow"),
        ("augmentation.rand_augment_interpolation", "bicubic", "bilinear"),
        ("class_balance", "weights", "none"),
        ("select", "best", "last"),
        ("evaluation_crop", 0.875, 1.0),
        ("patience", 2, None),
        ("freeze", ("stem",), ()),
        ("optimization.accumulation_steps", 2, 1),
        ("model.image_sizes", (32, 64), None),
    ],
)
def test_what_is_not_implemented_gives_a_clear_error(tmp_path, monkeypatch, name, value, needed):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    operations = {"augmentation.rand_augment_operations": 2}
    bilinear = {"augmentation.rand_augment_interpolation": "bilinear"}
    recipe = with_fields(TINY_IMAGENET, {**operations, **bilinear, name: value})
    options = InMemoryOptions(tmp_path / "images.npy", tmp_path / "labels.npy", tmp_path / "run")
    message = f"Training in memory needs `{name}={needed}`. Received: {name}={value}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        train_in_memory(recipe, options)


def test_what_a_recipe_does_not_use_is_not_refused():
    unused = {"augmentation.rand_augment_interpolation": "bicubic", "evaluation_crop": None}
    check_for_memory(with_fields(TINY_IMAGENET, unused))


@pytest.mark.parametrize(
    ("fields", "others", "message"),
    [
        ({"batch_size": 0}, {}, "`batch_size` must be an integer of at least 1. Received: 0"),
        (
            {"optimization.accumulation_steps": 0},
            {},
            "`optimization.accumulation_steps` must be an integer of at least 1. Received: 0",
        ),
        ({"optimization.learning_rate": 1e-7}, {}, "`optimization.final_learning_rate` must be"),
        ({"evaluation_crop": 0}, {}, "`evaluation_crop` must be a number above 0"),
        ({}, {"score_epochs": 0}, "`score_epochs` must be an integer of at least 1. Received: 0"),
        ({}, {"minutes": float("inf")}, "`minutes` must be above 0 and finite. Received: inf"),
        ({}, {"seed": -1}, "`seed` must be an integer from 0 to 2**32 - 1. Received: -1"),
        ({}, {"split_seed": 2**32}, "`split_seed` must be an integer from 0 to 2**32 - 1."),
    ],
)
def test_numbers_out_of_range_give_a_clear_error(tmp_path, monkeypatch, fields, others, message):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    recipe = with_fields(TINY_IMAGENET, fields)
    options = InMemoryOptions(tmp_path / "a.npy", tmp_path / "b.npy", tmp_path / "run", **others)
    with pytest.raises(ValueError, match=re.escape(message)):
        train_in_memory(recipe, options)


@pytest.mark.parametrize(("name", "content"), [("images", b""), ("labels", b""), ("labels", None)])
def test_file_of_something_else_than_an_array_gives_a_clear_error(
    images, tmp_path, monkeypatch, name, content
):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    files = {each: images / f"{each}.npy" for each in ("images", "labels")}
    files[name] = tmp_path / f"{name}.npy"
    if content is None:
        with files[name].open("wb") as file:
            np.savez(file, labels=np.zeros(3))
    else:
        files[name].write_bytes(content)
    options = InMemoryOptions(files["images"], files["labels"], tmp_path / "run")
    with pytest.raises(ValueError, match=f"`{name}` must be an .npy file"):
        train_in_memory(TINY_IMAGENET, options)
