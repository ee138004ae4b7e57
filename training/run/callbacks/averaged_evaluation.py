"""Evaluation of the averaged weights."""

import contextlib

import keras


class AveragedEvaluation(keras.callbacks.Callback):
    """Replaces the weights with their averages while the validation images are scored.

    The model must be an `AveragedModel`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._swap = contextlib.ExitStack()

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Replaces the weights with their averages."""
        self._swap.enter_context(self.model.averages_as_weights())

    def on_test_end(self, logs: dict | None = None) -> None:
        """Restores the weights."""
        self._swap.close()
