from pathlib import Path

import pytest

from training.tpu.process import ENVIRONMENT


@pytest.fixture(scope="session")
def jax_programs(run_python):
    """The results of `jax_programs.py`."""
    return run_python([Path(__file__).with_name("jax_programs.py")], "jax", **ENVIRONMENT)
