"""A run ends as if nothing had happened, however often it is killed."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from backend_process import REPOSITORY
from forked_command import ENVIRONMENT, Command
from interruptions import Interruption
from tiny_runs import OPTIONS, RECIPE

from training.run.checkpoints import CheckpointFolder
from training.run.options import TrainOptions
from training.train import train

pytestmark = pytest.mark.slow

# A checkpoint after every step.
SURVIVING = [*OPTIONS, "--checkpoint-minutes", "0", "--deterministic", "--keep-checkpoints"]
KILLED = -signal.SIGKILL


def command(folder, out, *others):
    """Returns the arguments of `python -m training`."""
    places = ["--data", f"folder:{folder}", "--out", str(out)]
    return ["train", "--recipe", "fashion_mnist", *places, *SURVIVING, *others]


def run(folder, out, *interruption):
    """Trains until the interruption; returns exit status, standard output and standard error."""
    log = out.with_name("log")
    return Command(command(folder, out), log, Interruption(*interruption)).finish()


@pytest.fixture(scope="module")
def uninterrupted(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "uninterrupted"
    status, output, errors = run(folder, out)
    assert status == 0, output + errors
    return out


@pytest.fixture(scope="module")
def interrupted(folder, tmp_path_factory):
    """A run of two epochs of three steps in five processes, and what each of them returned."""
    out = tmp_path_factory.mktemp("runs") / "interrupted"
    return out, [
        run(folder, out, "step", 1),
        run(folder, out, "checkpoint", 2),
        run(folder, out, "validation", 1, signal.SIGTERM),
        # It scores the first epoch, and trains the second.
        run(folder, out, "validation", 2),
        run(folder, out),
    ]


def test_run_killed_at_any_place_ends_with_the_same_bits(interrupted, uninterrupted):
    """The weights, the optimizer and the metrics."""
    out, processes = interrupted
    statuses = [status for status, _, _ in processes]
    assert statuses == [KILLED, KILLED, 128 + signal.SIGTERM, KILLED, 0], processes
    resumed = [re.findall(r"Resuming after step (\d)", output) for _, output, _ in processes]
    assert resumed == [[], ["1"], ["1"], ["3"], ["6"]]

    actual, wanted = (
        CheckpointFolder(run / "checkpoints").read_latest() for run in (out, uninterrupted)
    )
    assert actual.arrays.keys() == wanted.arrays.keys()
    for name, array in wanted.arrays.items():
        np.testing.assert_array_equal(actual.arrays[name], array, err_msg=name)
    scores = [
        [{k: v for k, v in row.items() if "second" not in k} for row in run.progress["history"]]
        for run in (actual, wanted)
    ]
    assert scores[0] == scores[1]


def test_sigterm_during_validation_leaves_the_scoring_to_the_next_process(interrupted):
    _, (*_, (_, stopped, errors), (_, resumed, _), _) = interrupted

    assert "Traceback" not in errors
    assert "Stopped by SIGTERM after step 3" in errors
    assert "epoch 1/2:" not in stopped
    assert "epoch 1/2:" in resumed


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def occupied(folder, tmp_path_factory):
    """A folder in which the command trained, and was then stopped by SIGTERM.

    Also the error of another run in that folder, and the command's status and standard error.
    """
    out = tmp_path_factory.mktemp("runs") / "occupied"
    endless = command(folder, out, "--epochs", "9999", "--model.depths", "1")
    environment = os.environ | ENVIRONMENT
    del environment["TF_CPP_MIN_LOG_LEVEL"]  # users have not set it
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "training", *endless],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        wait_for(out / "run.json", process)
        with pytest.raises(ValueError, match="process") as refusal:
            train(RECIPE, TrainOptions(f"folder:{folder}", out, log=()))
        wait_for(out / "checkpoints", process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=600)
    finally:
        process.kill()
    return out, str(refusal.value), process.returncode, errors


def test_folder_in_which_another_process_trains_is_refused(occupied):
    out, refusal, *_ = occupied

    assert refusal.startswith(f"Another process is already training in {out}. Wait")


def test_sigterm_saves_the_state_of_the_command(occupied):
    out, _, status, errors = occupied

    assert status == 128 + signal.SIGTERM
    # Nothing of TensorFlow's, which has trained by then.
    assert re.fullmatch(
        r"\ntrain: Stopped by SIGTERM after step [\d,]+, which is saved\. The same command resumes "
        r"from there\.\n",
        errors,
    )
    step = int(re.search(r"Stopped by SIGTERM after step (\d+)", errors)[1])
    assert CheckpointFolder(out / "checkpoints").read_latest().progress["step"] == step
