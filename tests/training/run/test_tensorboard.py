import resource

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from training.run.callbacks import TensorBoard


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def fit(model, logs):
    images, targets = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    callbacks = [TensorBoard(logs, write_graph=False)]
    return model.fit(
        images, targets, validation_data=(images, targets), verbose=0, callbacks=callbacks
    )


def test_scores_of_an_epoch_are_logged(model, tmp_path):
    history = fit(model, tmp_path).history
    logged = EventAccumulator(str(tmp_path / "validation")).Reload()

    (event,) = logged.Tensors("epoch_loss")
    assert make_ndarray(event.tensor_proto) == pytest.approx(history["val_loss"][0])


def test_full_disk_gives_a_clear_error(model, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the file size acts like a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match=r"^The logs for TensorBoard .*; File too large\. Free"):
            fit(model, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_folder_that_cannot_be_created_gives_a_clear_error(model, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match=r"^The logs for TensorBoard .* not a directory\. Free"):
        fit(model, tmp_path / "file")
