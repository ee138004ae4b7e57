"""Callbacks that do not hold up the device."""

from collections import deque

import keras

# Steps that may be under way at a time. Each holds its images in the device's memory.
_STEPS = 2


class CallbackList(keras.callbacks.CallbackList):
    """Hands on the scores of a batch as the backend gives them, while they are computed.

    Keras' own turns them into numbers first, for which it waits until the device has done the step,
    and only then is the next batch sent. Here the next step is under way by then. A callback that
    wants a number takes `float` of a score, and waits.
    """

    def __init__(self, callbacks, **options):
        super().__init__(callbacks, **options)
        self._under_way = deque()

    def on_train_batch_end(self, batch, logs=None):
        """Tells all callbacks, and waits for the step before the last one."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)
        self._wait(logs)

    def on_test_batch_end(self, batch, logs=None):
        """Tells all callbacks, and waits for the step before the last one."""
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs)
        self._wait(logs)

    def _wait(self, logs):
        self._under_way.append(logs["loss"])
        if len(self._under_way) == _STEPS:
            float(self._under_way.popleft())
