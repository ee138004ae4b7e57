"""A small folder of images, and a finished run on them, shared by several test files.

pytest puts this folder on the path because of this file, so that the tests in its subfolders find
its helper modules.
"""

import pytest
from png_decoder import read_png_only
from tiny_runs import RECIPE, image_folder
from two_layers import replace_models


@pytest.fixture(scope="module")
def models_of_two_layers():
    """Makes runs of a test file train a model of two layers."""
    with pytest.MonkeyPatch.context() as patch:
        replace_models(patch)
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Twenty bright and twenty dark images. Tests leave them unchanged."""
    return image_folder(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def finished_run(folder, tmp_path_factory):
    """The folder of a finished run of a model of two layers.

    Tests leave it unchanged, or restore it.
    """
    from training.run.options import TrainOptions
    from training.train import train

    out = tmp_path_factory.mktemp("runs") / "run"
    options = TrainOptions(f"folder:{folder}", out, seed=3, keep_checkpoints=True)
    with pytest.MonkeyPatch.context() as patch:
        replace_models(patch)
        read_png_only(patch)
        return train(RECIPE, options, command="the command it was")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    # Their first test trains a model, starts a process on another backend, or writes tfrecords.
    slow = {
        *("finished_run", "restarted", "diverged", "trained_by_command"),
        *("run_python", "compiled", "tfds_folder"),
    }
    for item in items:
        if slow & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
