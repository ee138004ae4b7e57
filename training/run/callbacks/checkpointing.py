"""Checkpoints while training, and an orderly end when the process is asked to stop."""

import signal
import threading
import time

import keras
import numpy as np

from training.run.callbacks.loss_guard import ADVICE, Diverged
from training.run.checkpoints import Checkpoint
from training.run.interrupted import Interrupted
from training.run.state import read_state, write_metrics


class Checkpointing(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch, every few minutes and on SIGTERM or Ctrl-C.

    After an epoch it writes one before the validation images are scored, which may take long, and
    another with their scores. It also keeps the averaged weights of the best epoch, and brings back
    the metrics of the epoch in which the run was stopped. Signals are caught from `on_train_begin`
    to `close`.

    Args:
        folder: `CheckpointFolder`; None writes nothing, for processes other than the first.
        steps_per_epoch: integer.
        first_step: integer, steps trained before.
        minutes: float, time between two checkpoints inside an epoch.
        history: `History`, whose rows a checkpoint keeps.
        broken: `BrokenImages`, whose names a checkpoint keeps.
        keep_best: whether the averaged weights of the best epoch are kept.
        resumed: `Checkpoint` that the run goes on from, or None.
        stop_agreed: `training.devices.hosts.stop_agreed`, by which several processes stop after
            the same step; None lets this one stop alone.
    """

    def __init__(
        self,
        folder,
        steps_per_epoch,
        first_step,
        minutes,
        history,
        broken,
        keep_best=False,
        resumed=None,
        stop_agreed=None,
    ):
        super().__init__()
        self.folder = folder
        self.steps_per_epoch = steps_per_epoch
        self.step = first_step
        self.minutes = minutes
        self.history = history
        self.broken = broken
        self.keep_best = keep_best
        self.resumed = resumed
        self.stop_agreed = stop_agreed
        self.best = {}
        self.best_epoch = None
        if resumed is not None:
            self.best = {k: v for k, v in resumed.arrays.items() if k.startswith("best/")}
            self.best_epoch = resumed.progress["best_epoch"]
        self._written_at = time.monotonic()
        self._signal = None
        self._handlers = {}

    def on_train_begin(self, logs=None):
        """Begins to catch SIGTERM and SIGINT."""
        if self._handlers or threading.current_thread() is not threading.main_thread():
            return
        if self.stop_agreed:  # which learns of SIGTERM before Python does
            self._handlers[signal.SIGINT] = signal.signal(signal.SIGINT, _pass_on)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._note_signal)

    def close(self):
        """Gives the signals back to whom they belonged."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def epoch_is_unscored(self):
        """Returns whether the latest epoch is trained, and its scores are not known yet."""
        return self.step // self.steps_per_epoch > len(self.history.rows)

    def discard_unscored(self):
        """Removes the checkpoint of an epoch that proved to have diverged when it was scored."""
        if self.epoch_is_unscored() and self.folder:
            self.folder.remove(self.step)

    def _note_signal(self, number, frame):
        if self._signal is not None:  # asked twice: at once, without a checkpoint
            raise KeyboardInterrupt
        self._signal = number

    def on_epoch_begin(self, epoch, logs=None):
        """Brings back the metrics of the epoch in which the run was stopped."""
        if self.resumed is not None:
            if self.step > epoch * self.steps_per_epoch:
                write_metrics(self.model, self.resumed.arrays)
            self.resumed = None

    def on_train_batch_end(self, batch, logs=None):
        """Writes a checkpoint when it is time, and stops when the process was asked to."""
        self.step += 1
        self.broken.check()
        if self.stop_agreed and self.stop_agreed(self.step):
            self._signal = signal.SIGTERM
        due = time.monotonic() - self._written_at > 60 * self.minutes
        epoch_is_trained = self.step % self.steps_per_epoch == 0
        if self._signal is not None or due or epoch_is_trained:
            self._write()
        self._stop_if_asked()

    def on_test_batch_end(self, batch, logs=None):
        """Stops when the process was asked to, after what was written before the first batch."""
        self._stop_if_asked()

    def on_epoch_end(self, epoch, logs=None):
        """Writes a checkpoint, with the weights of the best epoch if these are it."""
        self.broken.check()  # validation has read images too
        if self.keep_best and self.history.best_epoch() == epoch + 1:
            self.best_epoch = epoch + 1
            sources = self.model.averages or self.model.averaged_weights
            self.best = {
                f"best/{index:04d}": np.array(keras.ops.convert_to_numpy(weight))
                for index, weight in enumerate(sources)
            }
        self._write()
        self._stop_if_asked()

    def _stop_if_asked(self):
        if self._signal is not None:
            raise Interrupted(self._signal, self.step)

    def _write(self):
        arrays = read_state(self.model)
        self._written_at = time.monotonic()
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise Diverged(
                    f"Training has diverged: the variable {name} contains NaN or infinity. {ADVICE}"
                )
        if self.folder is None:
            return
        progress = {
            "step": self.step,
            "history": self.history.rows,
            "seconds": self.history.seconds(),
            "images_per_second": self.history.images_per_second(),
            "best_epoch": self.best_epoch,
            "broken": self.broken.names,
        }
        self.folder.write(self.step, Checkpoint(arrays | self.best, progress))


def _pass_on(number, frame):
    signal.raise_signal(signal.SIGTERM)
