"""Checkpoints while training, and an orderly end when the process is asked to stop."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_cabvit.signals import interrupt
from training.data.broken import BrokenImages
from training.run.callbacks.history import History
from training.run.callbacks.loss_guard import ADVICE, Diverged
from training.run.checkpoints import Checkpoint, CheckpointFolder
from training.run.interrupted import Interrupted
from training.run.state import read_state, write_metrics


@dataclass(frozen=True)
class CheckpointOptions:
    """Options of `Checkpointing`.

    Attributes:
        minutes: float, time between two checkpoints inside an epoch.
        keep_best: whether the averaged weights of the best epoch are kept.
        stop_agreed: `training.devices.hosts.stop_agreed`, which makes several processes stop after
            the same step; None lets this one stop by itself.
    """

    minutes: float = 10.0
    keep_best: bool = False
    stop_agreed: Callable[[int], bool] | None = None


class Checkpointing(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch, every few minutes and on SIGTERM or Ctrl-C.

    After an epoch it writes one before the validation images are scored, which may take long, and
    another with their scores. It also keeps the averaged weights of the best epoch, and restores
    the metrics of the epoch in which the run was stopped. Signals are caught from `on_train_begin`
    to `close`.

    Args:
        folder: `CheckpointFolder`; None writes nothing, for processes other than the first.
        history: `History`, whose rows a checkpoint keeps.
        broken: `BrokenImages`, whose names a checkpoint keeps.
        resumed: `Checkpoint` that the run is resumed from, or None.
        options: `CheckpointOptions`.
    """

    def __init__(
        self,
        folder: CheckpointFolder | None,
        history: History,
        broken: BrokenImages,
        resumed: Checkpoint | None,
        options: CheckpointOptions,
    ):
        super().__init__()
        self.folder = folder
        self.history = history
        self.broken = broken
        self.resumed = resumed
        self.options = options
        self.steps_per_epoch = history.steps_per_epoch
        self.step = 0
        self.best: dict[str, np.ndarray] = {}
        self.best_epoch: int | None = None
        if resumed is not None:
            self.step = resumed.progress["step"]
            self.best = {k: v for k, v in resumed.arrays.items() if k.startswith("best/")}
            self.best_epoch = resumed.progress["best_epoch"]
        self._written_at = time.monotonic()
        self._signal: int | None = None
        self._handlers: dict = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts catching SIGTERM and SIGINT."""
        if self._handlers or threading.current_thread() is not threading.main_thread():
            return
        if self.options.stop_agreed:  # which learns of SIGTERM before Python does
            self._handlers[signal.SIGINT] = signal.signal(signal.SIGINT, _pass_on)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._note_signal)

    def close(self) -> None:
        """Restores the earlier signal handlers."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def epoch_is_unscored(self) -> bool:
        """Returns whether the latest epoch is trained but not yet scored."""
        return self.step // self.steps_per_epoch > len(self.history.rows)

    def discard_unscored(self) -> None:
        """Removes the checkpoint of an epoch that proved to have diverged when it was scored."""
        if self.epoch_is_unscored() and self.folder is not None:
            self.folder.remove(self.step)

    def _note_signal(self, number: int, frame: Any) -> None:
        if self._signal is not None:  # asked twice: stop at once, without a checkpoint
            interrupt()
        self._signal = number

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Restores the metrics of the epoch in which the run was stopped."""
        if self.resumed is not None:
            if self.step > epoch * self.steps_per_epoch:
                write_metrics(self.model, self.resumed.arrays)
            self.resumed = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Writes a checkpoint if one is due, and stops if the process was asked to."""
        self.step += 1
        self.broken.check()
        if self.options.stop_agreed and self.options.stop_agreed(self.step):
            self._signal = signal.SIGTERM
        due = time.monotonic() - self._written_at > 60 * self.options.minutes
        epoch_is_trained = self.step % self.steps_per_epoch == 0
        if self._signal is not None or due or epoch_is_trained:
            self._write()
        self._stop_if_asked()

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Stops if the process was asked to; the checkpoint was written before validation."""
        self._stop_if_asked()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes a checkpoint, with the averaged weights if the epoch is the best so far."""
        self.broken.check()  # validation has read images too
        if self.options.keep_best and self.history.best_epoch() == epoch + 1:
            self.best_epoch = epoch + 1
            sources = self.model.averages or self.model.averaged_weights
            self.best = {
                f"best/{index:04d}": np.array(keras.ops.convert_to_numpy(weight))
                for index, weight in enumerate(sources)
            }
        self._write()
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self._signal is not None:
            raise Interrupted(self._signal, self.step)

    def _write(self) -> None:
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


def _pass_on(number: int, frame: Any) -> None:
    signal.raise_signal(signal.SIGTERM)
