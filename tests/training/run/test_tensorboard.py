import contextlib

import keras
import numpy as np
import pytest
from small_disk import files_of_at_most
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from training.run.loggers.tensorboard import TensorBoard

FULL = r"^The logs for TensorBoard could not be written to .*; File too large\. Free"


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def fit(model, logs, *callbacks, **options):
    images, targets = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    callbacks = [TensorBoard(logs, write_graph=False), *callbacks]
    return model.fit(
        *(images, targets),
        validation_data=(images, targets),
        verbose=0,
        callbacks=callbacks,
        **options,
    )


def test_scores_of_an_epoch_are_logged(model, tmp_path):
    history = fit(model, tmp_path).history
    logged = EventAccumulator(str(tmp_path / "validation")).Reload()

    (event,) = logged.Tensors("epoch_loss")
    assert make_ndarray(event.tensor_proto) == pytest.approx(history["val_loss"][0])


def test_full_disk_gives_a_clear_error(model, tmp_path):
    with files_of_at_most(10), pytest.raises(OSError, match=FULL):
        fit(model, tmp_path)


def test_disk_that_is_full_after_an_epoch_stops_training_and_leaves_its_scores(model, tmp_path):
    with contextlib.ExitStack() as full:

        def fill(epoch, _):
            if epoch == 1:
                size = max(file.stat().st_size for file in tmp_path.rglob("events*"))
                full.enter_context(files_of_at_most(size + 10))

        with pytest.raises(OSError, match=FULL):
            fit(model, tmp_path, keras.callbacks.LambdaCallback(on_epoch_begin=fill), epochs=3)

    for part in ("train", "validation"):
        logged = EventAccumulator(str(tmp_path / part)).Reload()
        assert [event.step for event in logged.Tensors("epoch_loss")] == [0]
    fit(model, tmp_path, epochs=3, initial_epoch=1)
    logged = EventAccumulator(str(tmp_path / "validation")).Reload()
    assert [event.step for event in logged.Tensors("epoch_loss")] == [0, 1, 2]


def test_folder_that_cannot_be_created_gives_a_clear_error(model, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match=r"^The logs for TensorBoard .* not a directory\. Free"):
        fit(model, tmp_path / "file")
