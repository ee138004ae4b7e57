"""A quiet environment, the marks of tests and their order."""

import gc
import os
import signal
import sys
import tempfile
from pathlib import Path

# Before the first import of Keras, which reads them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # TensorFlow's default on most processors

import pytest


def pytest_configure(config):
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        # The processes on JAX share what they compile. All of them inherit this variable.
        config.compiled_by_jax = tempfile.TemporaryDirectory()
        os.environ["JAX_COMPILATION_CACHE_DIR"] = config.compiled_by_jax.name
    # With workers, pytest's main process runs no test: it need not import Keras.
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", 0):
        pytest.register_assert_rewrite("shared_fixtures")
        config.pluginmanager.import_plugin("shared_fixtures")
    gc.set_threshold(100_000, 20, 100)
    gc.collect = collect_unless_keras_asks
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


def collect_unless_keras_asks(*args, collect=gc.collect):
    """Collects garbage, but not for each layer that Keras quantises, to save memory.

    It takes a second in a process that has run many tests.
    """
    caller = sys._getframe(1).f_globals.get("__name__")
    return 0 if caller == "keras.src.layers.layer" else collect(*args)


def pytest_collection_finish():
    # Python would otherwise look through all that the libraries hold, again and again.
    gc.freeze()


def pytest_unconfigure(config):
    if hasattr(config, "compiled_by_jax"):
        config.compiled_by_jax.cleanup()


# Tests that took more than a second, by measurement (`pytest --junitxml=FILE`).
SLOW = set(Path(__file__).with_name("slow_tests.txt").read_text().splitlines())


def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.partition("[")[0] in SLOW:
            item.add_marker(pytest.mark.slow)
    # The longest first, so that none of them runs alone at the end.
    items.sort(key=lambda item: not item.nodeid.startswith("tests/test_every_backend.py"))
