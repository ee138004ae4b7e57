"""Training on an accelerator that holds all images, here JAX's CPU, as a command."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from training.recipes.model import build_model
from training.recipes.recipe import ModelOptions
from training.recipes.tiny_imagenet import TINY_IMAGENET
from training.train_in_memory import InMemoryOptions, train_in_memory

MODEL = {
    "variant": "CabViTP",
    "image-size": ("16", "16"),
    "embed-dims": ("16",),
    "depths": ("2",),
    "num-heads": ("2",),
    "patch-size": ("8",),
}


def command(folder, *others, backend="jax"):
    """Runs `train-in-memory` in a process that cannot import TensorFlow."""
    model = [
        part
        for name, value in MODEL.items()
        for part in (f"--model.{name}", *((value,) if isinstance(value, str) else value))
    ]
    blocked = folder / "blocked"
    blocked.mkdir(exist_ok=True)
    (blocked / "tensorflow.py").write_text("raise ImportError('not installed here')\n")
    root = str(Path(__file__).parents[3])
    options = {
        "recipe": "tiny_imagenet",
        "images": str(folder / "images.npy"),
        "labels": str(folder / "labels.npy"),
        "out": str(folder / "run"),
    }
    named = [part for name, value in options.items() for part in (f"--{name}", value)]
    return subprocess.run(
        [sys.executable, "-m", "training", "train-in-memory", *named, *model, *others],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join([str(blocked), root]),
        },
        capture_output=True,
        text=True,
    )


def write_images(folder, count=64):
    """Writes images of two classes, dark and bright."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    images = rng.integers(0, 100, (count, 16, 16, 3)) + 150 * labels[:, None, None, None]
    np.save(folder / "images.npy", images.astype("uint8"))
    np.save(folder / "labels.npy", labels)
    return images.astype("uint8"), labels


@pytest.mark.slow
def test_command_trains_a_classifier_without_tensorflow(tmp_path):
    images, labels = write_images(tmp_path)
    done = command(
        tmp_path,
        *("--epochs", "12", "--batch-size", "16", "--validation-share", "0.25"),
        *("--optimization.warmup-epochs", "1", "--optimization.average-momentum", "0.5"),
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [row["epoch"] for row in record["epochs"]] == [5, 10, 12]
    assert record["epochs"][-1]["val_top1"] == 1.0
    assert record["training_images"] == 48
    model = build_model(
        ModelOptions(
            "CabViTP",
            image_size=(16, 16),
            embed_dims=(16,),
            depths=(2,),
            num_heads=(2,),
            patch_size=8,
            layer_scale_init=None,
        ),
        classes=2,
    )
    model.load_weights(tmp_path / "run" / "model.weights.h5")
    found = model.predict(images.astype("float32"), verbose=0).argmax(-1)
    np.testing.assert_array_equal(found, labels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "backend", "message"),
    [
        ((), "torch", "KERAS_BACKEND=jax"),
        (("--batch-size", "512"), "jax", "`batch_size` must be at most the 62 training images"),
        (("--model.image-size", "32", "32"), "jax", "uint8 of shape (images, 32, 32, 3)"),
    ],
)
def test_arguments_that_do_not_fit_give_a_clear_error(tmp_path, options, backend, message):
    write_images(tmp_path)
    done = command(tmp_path, *options, backend=backend)
    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / "run").exists()


def test_accumulated_gradients_give_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    optimization = dataclasses.replace(TINY_IMAGENET.optimization, accumulation_steps=2)
    recipe = dataclasses.replace(TINY_IMAGENET, optimization=optimization)
    options = InMemoryOptions(tmp_path / "images.npy", tmp_path / "labels.npy", tmp_path / "run")
    with pytest.raises(ValueError, match=r"optimization.accumulation_steps=1`. Received: 2"):
        train_in_memory(recipe, options)
