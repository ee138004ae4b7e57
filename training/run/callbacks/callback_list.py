"""Callbacks that do not delay the device."""

from collections import deque
from typing import Any

import keras

# Steps that may be in flight at a time. Each holds its images in the device's memory.
_STEPS = 2


class CallbackList(keras.callbacks.CallbackList):
    """Passes on the scores of a batch as the backend returns them, while they are computed.

    Keras' own list first converts them to numbers, which waits until the device has finished the
    step, and only then sends the next batch. Here the next step is already in flight. A callback
    that needs a number takes `float` of a score, and waits.
    """

    def __init__(self, callbacks: list[keras.callbacks.Callback], **options: Any):
        super().__init__(callbacks, **options)
        self._in_flight: deque = deque()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Calls all callbacks, and waits for the last step but one."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)
        self._wait(logs)

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Calls all callbacks, and waits for the last step but one."""
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs)
        self._wait(logs)

    def _wait(self, logs: Any) -> None:
        self._in_flight.append(logs["loss"])
        if len(self._in_flight) == _STEPS:
            float(self._in_flight.popleft())
