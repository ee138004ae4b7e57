import dataclasses
import gc
import json
import os
import signal
import time

import keras
import pytest
from forked_command import Command

from training.__main__ import main
from training.data.fashion_mnist import LabeledImages, fashion_mnist_subset
from training.quickstart import quickstart
from training.recipes.quickstart import QUICKSTART
from training.recipes.recipe import ModelOptions

# A plain model, which TensorFlow traces in a third of a hybrid's time: too small to be accurate.
SMALL = dataclasses.replace(
    QUICKSTART,
    model=ModelOptions(
        "CabViTP",
        image_size=(32, 32),
        embed_dims=(24,),
        depths=(2,),
        num_heads=(2,),
        patch_size=8,
    ),
    optimization=dataclasses.replace(QUICKSTART.optimization, warmup_epochs=0),
    epochs=1,
)

# Seconds in which an interrupted command ends; the whole quickstart takes longer.
PATIENCE = 60


def fewer_test_images():
    """Returns all training images, and 200 test images."""
    training, test = fashion_mnist_subset()
    return training, LabeledImages(test.images[:200], test.labels[:200])


@pytest.mark.slow
def test_every_form_is_written_and_scored(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("training.quickstart.fashion_mnist_subset", fewer_test_images)
    scores = quickstart(tmp_path / "run", SMALL)

    written = {entry.name for entry in (tmp_path / "run").iterdir()}
    assert written >= {
        "model.keras", "saved_model", "model_int8.tflite", "curves.png", "scores.md", "scores.json",
    }  # fmt: skip
    keras_score, saved_model_score, tflite_score = scores
    assert keras_score.top1 > 0.3  # chance is one in ten: it has learned something
    assert saved_model_score.top1 == keras_score.top1
    assert abs(tflite_score.top1 - keras_score.top1) < 0.03
    assert json.loads((tmp_path / "run" / "scores.json").read_text()) == [
        dataclasses.asdict(score) for score in scores
    ]
    table = (tmp_path / "run" / "scores.md").read_text()
    assert table in capsys.readouterr().out
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert model.output_shape == (None, 10)


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_leaves_no_files_and_gives_a_message(tmp_path, signal_number):
    command = Command(["quickstart", "--out", tmp_path / "out" / "run"], tmp_path / "log")
    while "2/4" not in command.output:
        assert command.process.is_alive()
        time.sleep(0.01)
    os.kill(command.process.pid, signal_number)
    status, _, errors = command.finish(PATIENCE)

    assert status == 130
    assert "interrupted; no half-written files are left" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out").exists()


def interrupt_the_next_collection():
    """Sends Ctrl-C during a callback of the collector, in which Python ignores exceptions."""

    def interrupt(phase, info):
        gc.callbacks.remove(interrupt)
        os.kill(os.getpid(), signal.SIGINT)

    gc.callbacks.append(interrupt)


@pytest.mark.slow
def test_interruption_of_the_garbage_collector_is_not_lost(tmp_path):
    arguments = ["quickstart", "--epochs", "1", "--out", tmp_path / "out" / "run"]
    command = Command(arguments, tmp_path / "log", interrupt_the_next_collection)
    status, _, errors = command.finish(PATIENCE)

    assert status == 130
    assert "quickstart: interrupted" in errors
    assert not list((tmp_path / "out").glob("*"))


def test_recipe_out_of_range_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1"):
        quickstart(tmp_path / "run", dataclasses.replace(SMALL, batch_size=0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "must be a positive whole number, not 0"),
        (["--seed", "-1"], "`seed` must be an integer from 0 to 2**32 - 1. Received: -1"),
        (["--out", os.path.dirname(__file__)], "was not written by this command"),
    ],
)
def test_wrong_arguments_give_a_clear_error(arguments, message, capsys):
    assert main(["quickstart", *arguments]) == 1
    assert message in capsys.readouterr().err
