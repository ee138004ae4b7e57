"""The scores of every epoch, in memory and as metrics.csv."""

import time
from pathlib import Path

import keras

from training.run.metrics_csv import COLUMNS, write_metrics_csv


class History(keras.callbacks.Callback):
    """Keeps a row of scores per epoch, writes them to metrics.csv and adds them to Keras' logs.

    Args:
        path: path of metrics.csv; None writes nothing.
        batch_size: integer, images per step on all devices.
        steps_per_epoch: integer.
        progress: dict of a checkpoint that the run is resumed from: "history" (rows), "seconds"
            and "images_per_second"; None for a new run.
    """

    def __init__(
        self,
        path: Path | None,
        batch_size: int,
        steps_per_epoch: int,
        progress: dict | None = None,
    ):
        super().__init__()
        self.path = path
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        progress = progress or {"history": [], "seconds": 0.0, "images_per_second": 0.0}
        self.rows = list(progress["history"])
        self._seconds_before = progress["seconds"]
        self._images_per_second_before = progress["images_per_second"]
        self._begun = time.monotonic()
        self._epoch_begun = self._begun
        self._images = 0
        self._training_seconds: float | None = None
        self._write()

    def seconds(self) -> float:
        """Returns the seconds of training, in all processes that have trained this run in turn."""
        return self._seconds_before + time.monotonic() - self._begun

    def images_per_second(self) -> float:
        """Returns the training speed of this epoch, without validation."""
        if not self._images:  # trained by a process that was stopped during validation
            return self._images_per_second_before
        seconds = self._training_seconds
        return self._images / (time.monotonic() - self._epoch_begun if seconds is None else seconds)

    def best_epoch(self) -> int:
        """Returns the number of the epoch with the best top-1 on the validation images.

        The first one wins a tie.
        """
        return max(self.rows, key=lambda row: (row["val_top1"], -row["epoch"]))["epoch"]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the clock of the epoch."""
        self._epoch_begun = time.monotonic()
        self._training_seconds = None
        self._images = 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Counts the images."""
        self._images += self.batch_size

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Stops the clock: images per second are those of training only."""
        self._training_seconds = time.monotonic() - self._epoch_begun

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds the row of the epoch."""
        logs = {} if logs is None else logs
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["images_per_second"] = self.images_per_second()
        row = {name: float(logs[name]) for name in COLUMNS if name in logs}
        row |= {"epoch": epoch + 1, "step": (epoch + 1) * self.steps_per_epoch}
        row["seconds"] = self.seconds()
        self.rows.append(row)
        self._write()

    def _write(self) -> None:
        if self.path is not None:
            write_metrics_csv(self.path, self.rows)
