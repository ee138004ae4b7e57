"""Runs the tests marked `every_backend` on the other two backends.

Tests marked `torch_too` also run on PyTorch.
"""

import re
import subprocess
import sys

import keras
import pytest
from backend_process import REPOSITORY, backend_environment

MARKS = {
    "tensorflow": ["every_backend"],
    "torch": ["every_backend", "torch_too"],
    "jax": ["every_backend"],
}
# In parts, so that pytest's workers share them. JAX's tests take several times as long, because it
# compiles every operation at its first use.
PARTS = {"tensorflow": 1, "torch": 1, "jax": 2}


def files_of(backend):
    """Returns the files with tests that run on a backend."""
    return sorted(
        str(path)
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        if any(f"mark.{mark}" in path.read_text() for mark in MARKS[backend])
        and path.name != "test_every_backend.py"
    )


CASES = [
    pytest.param(backend, files_of(backend)[part::parts], id=f"{backend}-{part}")
    for backend, parts in PARTS.items()
    if backend != keras.config.backend()
    for part in range(parts)
]


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "files"), CASES)
def test_marked_tests_pass(backend, files):
    process = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-m", " or ".join(MARKS[backend])),
            *("-n", "0", "-q"),
            *("-p", "no:cacheprovider", *files),
        ],
        cwd=REPOSITORY,
        env=backend_environment(backend),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    # None may be skipped, and each file must have some.
    summary = process.stdout.strip().splitlines()[-1]
    assert re.match(r"\d+ passed", summary), summary
    assert "skipped" not in summary
