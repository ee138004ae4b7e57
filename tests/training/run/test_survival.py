"""A run ends as if nothing had happened, however often it is killed."""

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
from forked_training import ENVIRONMENT, Training
from tiny_runs import OPTIONS

from training.run.checkpoints import CheckpointFolder

pytestmark = pytest.mark.slow

# A checkpoint after every batch, so that kills meet many of them.
SURVIVING = [*OPTIONS, "--checkpoint-minutes", "0", "--deterministic"]


def arguments(folder, out):
    places = ["--data", f"folder:{folder}", "--out", str(out)]
    return ["--recipe", "fashion_mnist", *places, *SURVIVING]


@pytest.fixture(scope="module", autouse=True)
def environment():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def uninterrupted(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "uninterrupted"
    complete(folder, out)
    return out


def complete(folder, out):
    """Trains to the end, and returns the output."""
    status, output, errors = Training(arguments(folder, out), out.with_name("log")).finish()
    assert status == 0, output + errors
    return output


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


def kill_when(process, reached):
    """Kills the process with SIGKILL as soon as `reached()` is true."""
    deadline = time.monotonic() + 600
    while process.is_alive() and not reached() and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    process.join()


def test_run_killed_five_times_ends_with_the_same_bits(folder, uninterrupted, tmp_path):
    out = tmp_path / "run"
    checkpoints = out / "checkpoints"
    moments = random.Random(0)

    def names():
        return {path.name for path in checkpoints.glob("step_*.npz")}

    for kill in range(5):
        process = Training(arguments(folder, out), tmp_path / "log").process
        before = names()
        if kill % 2:
            # In the middle of a checkpoint, while its hidden file exists.
            kill_when(process, lambda: list(checkpoints.glob(".partial-*")))
        else:
            kill_when(process, lambda before=before: names() - before)
            time.sleep(moments.random() / 10)
        assert process.exitcode == -signal.SIGKILL, "it finished before it was killed"
    output = complete(folder, out)

    assert "Resuming after step" in output
    assert_same_run(out, uninterrupted)


def test_run_stopped_during_validation_ends_with_the_same_bits(folder, uninterrupted, tmp_path):
    out = tmp_path / "run"

    def stopped(number, validations):
        return Training(arguments(folder, out), tmp_path / "log", (number, validations)).finish()

    status, output, errors = stopped(signal.SIGTERM, validations=1)
    assert status == 128 + signal.SIGTERM, errors
    assert "Traceback" not in errors
    assert "Stopped by SIGTERM after step 3" in errors
    assert "epoch 1/2:" not in output
    # The resumed process scores them first; it is stopped after training another epoch.
    status, output, errors = stopped(signal.SIGKILL, validations=2)
    assert status == -signal.SIGKILL, errors
    assert "epoch 1/2:" in output
    complete(folder, out)
    assert_same_run(out, uninterrupted)


def test_sigterm_saves_the_state_of_the_command(folder, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "training", "train", *arguments(folder, tmp_path / "run")],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | ENVIRONMENT,
        text=True,
    )
    while not list(tmp_path.glob("run/checkpoints/step_*.npz")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)

    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    step = int(re.search(r"Stopped by SIGTERM after step (\d+)", errors)[1])
    latest = CheckpointFolder(tmp_path / "run" / "checkpoints").read_latest()
    assert latest.progress["step"] == step
