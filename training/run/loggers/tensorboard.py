"""Scores for TensorBoard."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf

from keras_cabvit.first_line import first_line
from training.run.callbacks.history import History


class TensorBoardLogger:
    """Writes the scores of every epoch for TensorBoard.

    Args:
        folder: path of the folder of the logs.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def callback(self, history: History, record: dict) -> keras.callbacks.Callback:
        """Returns the callback that writes them."""
        return TensorBoard(self.folder, write_graph=False)

    def forget(self) -> None:
        """Does nothing: TensorBoard shows when each of its files was begun."""

    def finish(self, record: dict) -> None:
        """Does nothing: the callback has written everything."""


class TensorBoard(keras.callbacks.TensorBoard):
    """Writes the scores of every epoch for TensorBoard; follows `History`.

    Only the first of several processes has it, so it computes nothing on their devices: Keras' own
    would compute the learning rate, which `History` has already added to the scores.

    Raises:
        OSError: the logs cannot be written, because the disk is full or read-only.
    """

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Opens the file of the training images' scores."""
        with self._clear_errors():
            super().on_train_begin(logs)

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Opens the file of the validation images' scores."""
        with self._clear_errors():
            super().on_test_begin(logs)

    def on_test_end(self, logs: dict | None = None) -> None:
        """Writes the validation images' scores by step."""
        with self._clear_errors():
            super().on_test_end(logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes all scores by epoch."""
        with self._clear_errors():
            super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Closes the files."""
        with self._clear_errors():
            super().on_train_end(logs)

    def _collect_learning_rate(self, logs: dict) -> dict:
        return logs

    @contextlib.contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            # The first line states the system's reason amid names of TensorFlow's operations.
            reason = re.sub(r"\{\{.*\}\} | \[Op:.*", "", first_line(error, error.message))
            raise OSError(
                f"The logs for TensorBoard could not be written to {self.log_dir}: {reason}. Free "
                "some space or grant the right to write, and the same command resumes from the "
                "last checkpoint; a bare --log writes no logs."
            ) from error
