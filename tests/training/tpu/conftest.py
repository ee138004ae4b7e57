import json
import subprocess
import sys
from pathlib import Path

import pytest
from backend_process import backend_environment
from tiny_step import BATCH, OPTIONS

from training.__main__ import main
from training.tpu import process

PROGRAMS = str(Path(__file__).with_name("jax_programs.py"))


@pytest.fixture(scope="session")
def compiled():
    """The exit status of the command here, on TensorFlow, and the process that it started.

    That process also runs `jax_programs.py`: importing JAX and its TPU compiler takes longer than
    most of its programs. It prints their results as the last line.
    """
    processes = []
    run = subprocess.run

    def run_captured(command, env):
        assert command[:3] == [sys.executable, "-m", "training"]
        assert not process.ENVIRONMENT.items() - env.items()
        processes.append(
            run(
                [sys.executable, PROGRAMS, *command[3:]],
                env=env | backend_environment("jax") | process.ENVIRONMENT,
                capture_output=True,
                text=True,
            )
        )
        return processes[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "run", run_captured)
        status = main(["compile-tpu", *OPTIONS, "--batch", str(BATCH), "--json"])
    (started,) = processes
    return status, started


@pytest.fixture(scope="session")
def jax_programs(compiled):
    """The results of `jax_programs.py`."""
    _, started = compiled
    assert started.returncode == 0, started.stdout + started.stderr
    return json.loads(started.stdout.splitlines()[-1])
