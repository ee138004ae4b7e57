"""A run that is killed, however often, ends as if nothing had happened."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from backend_process import REPOSITORY
from tiny_runs import PLAIN, TRAINING, image_folder

from training.run.checkpoints import CheckpointFolder

# A checkpoint after every batch, so that kills meet many of them.
SURVIVING = [*PLAIN, *TRAINING, "--checkpoint-minutes", "0", "--deterministic"]


def command(folder, out):
    return [
        *(sys.executable, "-u", "-m", "training", "train", "--recipe", "fashion_mnist"),
        *("--data", f"folder:{folder}", "--out", str(out)),
        *SURVIVING,
    ]


def start(folder, out, arguments=None):
    return subprocess.Popen(
        arguments or command(folder, out),
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, output + errors
    return output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return image_folder(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def uninterrupted(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "uninterrupted"
    finish(start(folder, out))
    return out


def assert_same_run(out, expected):
    """The weights, the optimizer and the metrics are the same, bit for bit."""
    actual, wanted = (
        CheckpointFolder(run / "checkpoints").read_latest() for run in (out, expected)
    )
    assert actual.arrays.keys() == wanted.arrays.keys()
    for name, array in wanted.arrays.items():
        np.testing.assert_array_equal(actual.arrays[name], array, err_msg=name)
    scores = [
        [{k: v for k, v in row.items() if "second" not in k} for row in run.progress["history"]]
        for run in (actual, wanted)
    ]
    assert scores[0] == scores[1]


def killed_while(process, reached):
    """Kills the process, without a chance to do anything, when `reached()` says so."""
    deadline = time.monotonic() + 600
    while process.poll() is None and not reached() and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    process.communicate()


def test_killed_five_times_it_ends_with_the_same_bits(folder, uninterrupted, tmp_path):
    out = tmp_path / "run"
    checkpoints = out / "checkpoints"
    moments = random.Random(0)

    def names():
        return {path.name for path in checkpoints.glob("step_*.npz")}

    for kill in range(5):
        process = start(folder, out)
        before = names()
        if kill % 2:
            # In the middle of a checkpoint: its hidden file is there.
            killed_while(process, lambda: list(checkpoints.glob(".partial-*")))
        else:
            killed_while(process, lambda before=before: names() - before)
            time.sleep(moments.random() / 10)
        assert process.returncode == -signal.SIGKILL, "it was done before it was killed"
    output = finish(start(folder, out))

    assert "Resuming after step" in output
    assert_same_run(out, uninterrupted)


# The command, stopped by a signal when it begins to score the validation images.
STOPPED_IN_VALIDATION = """
import os, sys
from training.__main__ import main
from training.run.callbacks import AveragedEvaluation

number, validations = map(int, sys.argv[1:3])
begin = AveragedEvaluation.on_test_begin

def stop(self, logs=None):
    global validations
    begin(self, logs)
    validations -= 1
    if not validations:
        os.kill(os.getpid(), number)

AveragedEvaluation.on_test_begin = stop
sys.exit(main(sys.argv[3:]))
"""


def test_stopped_while_validation_images_are_scored(folder, uninterrupted, tmp_path):
    out = tmp_path / "run"
    arguments = command(folder, out)[4:]

    def stopped(number, validations):
        before = [sys.executable, "-c", STOPPED_IN_VALIDATION, str(number), str(validations)]
        process = start(folder, out, [*before, *arguments])
        return process.communicate(timeout=600), process.returncode

    (output, errors), status = stopped(signal.SIGTERM, validations=1)
    assert status == 128 + signal.SIGTERM, errors
    assert "Traceback" not in errors
    assert "Stopped by SIGTERM after step 3" in errors
    assert "epoch 1/2:" not in output
    # The process that goes on scores them first; it is killed when it has trained another epoch.
    (output, errors), status = stopped(signal.SIGKILL, validations=2)
    assert status == -signal.SIGKILL, errors
    assert "epoch 1/2:" in output
    finish(start(folder, out))
    assert_same_run(out, uninterrupted)


def test_asked_to_stop_it_saves_where_it_is(folder, tmp_path):
    process = start(folder, tmp_path / "run")
    while not list(tmp_path.glob("run/checkpoints/step_*.npz")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)

    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    step = int(re.search(r"Stopped by SIGTERM after step (\d+)", errors)[1])
    latest = CheckpointFolder(tmp_path / "run" / "checkpoints").read_latest()
    assert latest.progress["step"] == step
