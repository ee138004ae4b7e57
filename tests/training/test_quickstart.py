import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from training.quickstart import quickstart
from training.recipes.quickstart import QUICKSTART

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]

# A model too small to be accurate, so that all steps together take seconds.
SMALL = dataclasses.replace(
    QUICKSTART,
    model=dataclasses.replace(QUICKSTART.model, embed_dims=(8, 16, 24, 32), image_size=(32, 32)),
    epochs=2,
    batch_size=64,
)


def test_every_form_is_written_and_scored(tmp_path, capsys):
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


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_leaves_no_files_and_gives_a_message(tmp_path, signal_number):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "training", "quickstart", "--out", tmp_path / "run"],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("2/4"):
            break
    process.send_signal(signal_number)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 130
    assert "interrupted; no half-written files are left" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


# Ctrl-C during a callback of the garbage collector, in which Python ignores exceptions.
INTERRUPTED_COLLECTION = """
import gc, os, signal, sys
from training.__main__ import main

def interrupt(phase, info):
    gc.callbacks.remove(interrupt)
    os.kill(os.getpid(), signal.SIGINT)

gc.callbacks.append(interrupt)
sys.exit(main(sys.argv[1:]))
"""


def test_interruption_of_the_garbage_collector_is_not_lost(tmp_path):
    process = subprocess.run(
        [
            *(sys.executable, "-c", INTERRUPTED_COLLECTION),
            *("quickstart", "--epochs", "1", "--out", tmp_path / "run"),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )

    assert process.returncode == 130
    assert "quickstart: interrupted" in process.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--epochs", "0"], "must be a positive whole number, not 0"),
        (["--out", "tests"], "was not written by this command"),
    ],
)
def test_wrong_arguments_give_a_clear_error(arguments, sentence):
    process = subprocess.run(
        [sys.executable, "-m", "training", "quickstart", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )

    assert process.returncode in (1, 2)
    assert sentence in process.stderr
    assert "Traceback" not in process.stderr
