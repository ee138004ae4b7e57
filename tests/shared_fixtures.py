"""Fixtures that all tests share: the backends, two tiny models and their exports."""

import functools
import json
import subprocess
import sys
import tempfile
import types
import unittest.mock
from pathlib import Path

import exchanged_files
import keras
import pytest
import tiny_models
from backend_process import backend_environment
from filelock import FileLock
from keras.src.saving import saving_lib
from keras.src.utils import module_utils, rng_utils
from numpy_initializers import replace_initializers
from png_decoder import read_png_only
from small_classifier import save_forms, small_classifier

from keras_cabvit.export import to_saved_model, to_tflite
from keras_cabvit.runtimes import load_saved_model

if keras.config.backend() == "jax":
    # Keras would import TensorFlow to save a model, which takes seconds. No test on JAX gives it
    # tensors or data sets of TensorFlow.
    module_utils.tensorflow._available = False
else:
    keras.utils.set_random_seed(0)

# Keras makes a layer for each layer that it saves or loads, to know which attributes every layer
# has: it stores its answer under another name than it looks for.
saving_lib.get_attr_skipset = functools.cache(saving_lib.get_attr_skipset)


@pytest.fixture(autouse=True, scope="module")
def graphs_as_written(request):
    """Keeps TensorFlow from optimising the graphs of training and of input pipelines.

    It takes half of the time until a first batch. The quickstart and the endless command of
    `test_survival.py`, which are programs of their own, run optimised graphs, and so does
    everything that computes a trained model.
    """
    tf = sys.modules.get("tensorflow")  # few tests on other backends import it
    folders = ("tests/training/", "tests/data/", "tests/hub/")
    if tf is None or not request.node.nodeid.startswith(folders):
        yield
        return
    from tensorflow.python.framework import ops

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    with pytest.MonkeyPatch.context() as patch:
        # Nor has every operation of a graph the Python stack that made it.
        untraced = functools.partial(ops._create_c_op, extract_traceback=False)
        patch.setattr(ops, "_create_c_op", untraced)
        yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture(autouse=True)
def fixed_seed():
    # TensorFlow's own seed is set once per process, above: setting it clears all compiled kernels,
    # after which a graph's next call takes up to a second. Keras does not use it, and would import
    # TensorFlow for it on other backends.
    no_tensorflow = types.SimpleNamespace(available=False)
    with unittest.mock.patch.object(rng_utils, "tf", no_tensorflow):
        keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="module")
def quick_initial_weights(request):
    # Other backends draw quickly enough for files that build few models.
    folders = ("tests/inference/", "tests/models/", "tests/pytorch/", "tests/weights/")
    builds_many = keras.config.backend() == "jax" or request.node.nodeid.startswith(folders)
    if not builds_many or request.path.name == "test_initial_weights.py":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        replace_initializers(patch)
        yield


@pytest.fixture(scope="module")
def png_files():
    """Makes data sets and exports of a test file read PNG files alone."""
    with pytest.MonkeyPatch.context() as patch:
        read_png_only(patch)
        yield


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
    return filled_model(tiny_models.hybrid)


@pytest.fixture(scope="session")
def tiny_plain():
    """A plain model with random weights. Tests must not change it."""
    return filled_model(tiny_models.plain)


def filled_model(build):
    """Builds a model whose initial weights, which are replaced at once, take no time to draw."""
    # Fixtures of the session precede `quick_initial_weights`.
    with pytest.MonkeyPatch.context() as patch:
        replace_initializers(patch, zeros=True)
        return tiny_models.filled(build())


@pytest.fixture(params=[pytest.param("tiny_hybrid", marks=pytest.mark.slow), "tiny_plain"])
def tiny_model(request):
    """Each of the two families; the quicker one gives a first answer."""
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
def made_once(request, tmp_path_factory):
    """A function that makes a folder of files for all of pytest's workers, in one of them."""
    root = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # a worker, whose own folder is in the run's
        root = root.parent

    def made_once(name, make):
        """Calls `make(folder)` unless another worker has, and returns the folder."""
        folder = root / f"shared-{name}"
        with FileLock(root / f"shared-{name}.lock"):
            if not folder.exists():
                partial = Path(tempfile.mkdtemp(dir=root))
                make(partial)
                partial.rename(folder)
        return folder

    return made_once


@pytest.fixture(scope="session")
def served_hybrid(tiny_hybrid, made_once):
    """The hybrid model's SavedModel, with labels and a low limit. Tests must not change it."""

    def make(folder):
        to_saved_model(
            tiny_hybrid,
            folder / "cabvit",
            labels=tiny_models.LABELS,
            max_megapixels=0.02,
            batch_sizes=(1, 3),
        )

    return made_once("served", make) / "cabvit" / "1"


@pytest.fixture(scope="session")
def frozen_hybrid(tiny_hybrid, made_once):
    """The hybrid model's SavedModel with frozen weights. Tests must not change it."""

    def make(folder):
        to_saved_model(tiny_hybrid, folder / "cabvit", frozen_weights=True, batch_sizes=())

    return made_once("frozen", make) / "cabvit" / "1"


@pytest.fixture(scope="session")
def served(served_hybrid):
    """`served_hybrid`, loaded."""
    return load_saved_model(served_hybrid)


@pytest.fixture(scope="session")
def small_forms(made_once):
    """The folder of `save_forms`, whose bytes must be PNG files. Tests must not change it."""

    def make(folder):
        with pytest.MonkeyPatch.context() as patch:
            read_png_only(patch)
            save_forms(small_classifier(), folder)

    return made_once("small_forms", make)


@pytest.fixture(scope="session")
def exchanged(made_once):
    """The folder of `exchanged_files.write`, by this process' backend. Tests must not change it."""
    return made_once("exchanged", exchanged_files.write)


@pytest.fixture(scope="session")
def trained_hybrid():
    """A model that tells five patterns apart, without a softmax. Tests must not change it."""
    return tiny_models.trained_hybrid(classifier_activation=None)


@pytest.fixture(scope="session")
def tflite_files(trained_hybrid, made_once):
    """`trained_hybrid` in every form: {form: path}. Tests must not change them."""

    def make(folder):
        calibration = tiny_models.patterned_images((64, 64, 3), 32, seed=2)
        for form in tiny_models.TFLITE_FORMS:
            path = folder / f"{form}.tflite"
            to_tflite(trained_hybrid, path, quantization=form, calibration=calibration)

    folder = made_once("tflite", make)
    return {form: folder / f"{form}.tflite" for form in tiny_models.TFLITE_FORMS}
