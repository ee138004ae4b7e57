"""Evaluation of the averaged weights."""

import contextlib

import keras


class AveragedEvaluation(keras.callbacks.Callback):
    """Puts the averages in the weights' place while the validation images are scored.

    The model must be an `AveragedModel`.
    """

    def __init__(self):
        super().__init__()
        self._swap = contextlib.ExitStack()

    def on_test_begin(self, logs=None):
        """Puts the averages into the weights."""
        self._swap.enter_context(self.model.averages_as_weights())

    def on_test_end(self, logs=None):
        """Puts the weights back."""
        self._swap.close()
