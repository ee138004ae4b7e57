"""Runs the tests marked `every_backend` on the other two backends.

Tests marked `torch_too` also run on PyTorch.
"""

import re
import subprocess
import sys

import exchanged_files
import keras
import pytest
from backend_process import REPOSITORY, backend_environment

MARKS = {
    "jax": ["every_backend"],
    "tensorflow": ["every_backend"],
    "torch": ["every_backend", "torch_too"],
}


def files_of(backend):
    """Returns the files with tests that run on a backend."""
    return sorted(
        str(path)
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        if any(f"mark.{mark}" in path.read_text() for mark in MARKS[backend])
        and path.name != "test_every_backend.py"
    )


OTHERS = [backend for backend in MARKS if backend != keras.config.backend()]


@pytest.mark.slow
@pytest.mark.parametrize("backend", OTHERS)
def test_marked_tests_pass(backend, exchanged):
    process = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-m", " or ".join(MARKS[backend])),
            *("-n", "0", "-q"),
            *("-p", "no:cacheprovider", *files_of(backend)),
        ],
        cwd=REPOSITORY,
        env=backend_environment(backend) | {exchanged_files.FOLDER: str(exchanged)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    # None may be skipped, and each file must have some.
    summary = process.stdout.strip().splitlines()[-1]
    assert re.match(r"\d+ passed", summary), summary
    assert "skipped" not in summary
