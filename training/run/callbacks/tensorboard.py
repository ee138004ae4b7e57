"""Logs for TensorBoard."""

import contextlib
import re

import keras
import tensorflow as tf


class TensorBoard(keras.callbacks.TensorBoard):
    """Writes the scores of every epoch for TensorBoard; comes after `History`.

    Of several processes only the first has it, so it computes nothing on their devices: Keras'
    would compute the learning rate, which `History` has added to the scores already.

    Raises:
        OSError: the logs cannot be written, because the disk is full or read-only.
    """

    def on_train_begin(self, logs=None):
        """Begins the file of the training images' scores."""
        with self._errors_as_sentences():
            super().on_train_begin(logs)

    def on_test_begin(self, logs=None):
        """Begins the file of the validation images' scores."""
        with self._errors_as_sentences():
            super().on_test_begin(logs)

    def on_test_end(self, logs=None):
        """Writes the validation images' scores by step."""
        with self._errors_as_sentences():
            super().on_test_end(logs)

    def on_epoch_end(self, epoch, logs=None):
        """Writes all scores by epoch."""
        with self._errors_as_sentences():
            super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs=None):
        """Ends the files."""
        with self._errors_as_sentences():
            super().on_train_end(logs)

    def _collect_learning_rate(self, logs):
        return logs

    @contextlib.contextmanager
    def _errors_as_sentences(self):
        try:
            yield
        except tf.errors.OpError as error:
            # The first line has the system's reason, between names of TensorFlow's operations.
            reason = re.sub(r"\{\{.*\}\} | \[Op:.*", "", error.message.splitlines()[0])
            raise OSError(
                f"The logs for TensorBoard could not be written to {self.log_dir}: {reason}. Make "
                "room or give the right to write, and the same command goes on from the last "
                "checkpoint; with --no-tensorboard it writes no logs."
            ) from error
