"""Fixtures that all tests share: a quiet environment, the backends, two tiny models."""

import json
import os
import signal
import subprocess
import sys
import tempfile

# Before the first import of Keras, which reads them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import pytest
import tiny_models
from backend_process import backend_environment

from keras_cabvit.export import to_saved_model
from keras_cabvit.runtimes import load_saved_model


def pytest_configure(config):
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        # The processes on JAX share what they compile. All of them inherit this variable.
        config.compiled_by_jax = tempfile.TemporaryDirectory()
        os.environ["JAX_COMPILATION_CACHE_DIR"] = config.compiled_by_jax.name
    # A shell makes background processes ignore Ctrl-C, and the tests' own processes inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers",
        "every_backend: also runs on the two backends that the main process does not use",
    )
    config.addinivalue_line(
        "markers",
        "torch_too: also runs on PyTorch, but not on JAX, which shows the same and takes longer",
    )
    # Keras' own arrays, with numpy 2: thousands of warnings, none of them about this library.
    config.addinivalue_line(
        "filterwarnings",
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    )


def pytest_unconfigure(config):
    if hasattr(config, "compiled_by_jax"):
        config.compiled_by_jax.cleanup()


def pytest_collection_modifyitems(items):
    # The longest first, so that none of them runs alone at the end.
    items.sort(key=lambda item: not item.nodeid.startswith("tests/test_every_backend.py"))


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def restored_settings():
    """Lets a test change Keras' global settings."""
    config = keras.config
    floatx, policy, data_format = (
        config.floatx(),
        config.dtype_policy(),
        config.image_data_format(),
    )
    yield
    config.set_floatx(floatx)
    config.set_dtype_policy(policy)
    config.set_image_data_format(data_format)


@pytest.fixture(scope="session")
def tiny_hybrid():
    """A hybrid model with random weights. Tests must not change it."""
    return tiny_models.filled(tiny_models.hybrid())


@pytest.fixture(scope="session")
def tiny_plain():
    """A plain model with random weights. Tests must not change it."""
    return tiny_models.filled(tiny_models.plain())


@pytest.fixture(params=["tiny_hybrid", "tiny_plain"])
def tiny_model(request):
    """Each of the two families."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def run_python():
    """A function that runs Python in a separate process, on a given backend."""

    def run(arguments, backend, **environment):
        """Returns the last line that the program prints, parsed as JSON."""
        process = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env=backend_environment(backend) | environment,
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, f"on {backend}:\n{process.stdout}\n{process.stderr}"
        return json.loads(process.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def served_hybrid(tiny_hybrid, tmp_path_factory):
    """The hybrid model's SavedModel, with labels and a low limit. Tests must not change it."""
    return to_saved_model(
        tiny_hybrid,
        tmp_path_factory.mktemp("served") / "cabvit",
        labels=tiny_models.LABELS,
        max_megapixels=0.02,
        batch_sizes=(1, 3),
    )


@pytest.fixture(scope="session")
def served(served_hybrid):
    """`served_hybrid`, loaded."""
    return load_saved_model(served_hybrid)


@pytest.fixture(scope="session")
def trained_hybrid():
    """A model that tells five patterns apart, with a softmax. Tests must not change it."""
    return tiny_models.trained_hybrid()
