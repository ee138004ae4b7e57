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
        # What one of the processes on JAX compiles, the others need not. All of them inherit this.
        config.compiled_by_jax = tempfile.TemporaryDirectory()
        os.environ["JAX_COMPILATION_CACHE_DIR"] = config.compiled_by_jax.name
    # A shell lets what it starts in the background ignore Ctrl-C, and so would what tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers",
        "every_backend: also runs on the two backends that the main process does not use",
    )
    config.addinivalue_line(
        "markers",
        "torch_too: also runs on PyTorch; what it shows is the same on JAX, which takes long",
    )
    # Keras' own arrays, with numpy 2: thousands of times, and nothing to do with the library.
    config.addinivalue_line(
        "filterwarnings",
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    )


def pytest_unconfigure(config):
    if hasattr(config, "compiled_by_jax"):
        config.compiled_by_jax.cleanup()


def pytest_collection_modifyitems(items):
    # The longest first, so that no worker is left with one of them at the end.
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
    """A hybrid model with random weights. Tests leave it as it is."""
    return tiny_models.filled(tiny_models.hybrid())


@pytest.fixture(scope="session")
def tiny_plain():
    """A plain model with random weights. Tests leave it as it is."""
    return tiny_models.filled(tiny_models.plain())


@pytest.fixture(params=["tiny_hybrid", "tiny_plain"])
def tiny_model(request):
    """Each of the two families."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def run_python():
    """Runs Python in a process of its own, with a backend of its own."""

    def run(arguments, backend, **environment):
        """Returns what the program prints as its last line, read as JSON."""
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
    """The hybrid model's SavedModel, with labels and a low limit. Tests leave it as it is."""
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
    """A model that tells five patterns apart, with a softmax. Tests leave it as it is."""
    return tiny_models.trained_hybrid()
