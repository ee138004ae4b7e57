"""A progress bar."""

import sys
import time

import keras
from tqdm import tqdm

# Steps after the first that the estimate of the whole duration is made from.
_MEASURED_STEPS = 20


class Progress(keras.callbacks.Callback):
    """A bar with images/s, learning rate and remaining time; lines in a log file.

    After the first 20 steps, a line estimates the duration of all others.

    Args:
        epochs: integer, the number in the whole run.
        steps_per_epoch: integer.
        first_step: integer, steps trained before.
        batch_size: integer, images per step.
        every: float, seconds between two readings of the scores, each of which waits for the
            device.
    """

    def __init__(
        self,
        epochs: int,
        steps_per_epoch: int,
        first_step: int,
        batch_size: int,
        every: float = 10.0,
    ):
        super().__init__()
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.step = first_step
        self.batch_size = batch_size
        # A bar redraws its line; a log file cannot.
        self.bar_wanted = sys.stderr.isatty()
        self.every = every if self.bar_wanted else 6 * every
        self._begun: float | None = None
        self._begun_step = first_step
        self._shown: float | None = None
        self._bar = tqdm(disable=True)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Draws an empty bar."""
        if self._shown is None:
            self._shown = time.monotonic()
        self._bar = tqdm(
            desc=f"Epoch {epoch + 1}/{self.epochs}",
            total=self.steps_per_epoch,
            initial=self.step % self.steps_per_epoch,
            unit="batch",
            disable=not self.bar_wanted,
            leave=False,
        )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Moves the bar, and shows the scores from time to time."""
        self.step += 1
        if self._begun is None:
            # The first batch may compile the step, so its time is not that of the others.
            _wait(logs)
            self._begun, self._begun_step = time.monotonic(), self.step
        self._bar.update()
        if self.step - self._begun_step == _MEASURED_STEPS:
            _wait(logs)
            self._tell_estimate()
        if time.monotonic() - (self._shown or 0.0) > self.every:
            self._shown = time.monotonic()
            line = self._scores(logs or {})
            if self.bar_wanted:
                self._bar.set_postfix_str(line)
            else:
                epoch, before = divmod(self.step - 1, self.steps_per_epoch)
                print(
                    f"epoch {epoch + 1}/{self.epochs}, "
                    f"batch {before + 1}/{self.steps_per_epoch}: {line}",
                    flush=True,
                )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Prints the epoch's scores on a permanent line."""
        logs = logs or {}
        self._bar.close()
        validation = ""
        if "val_top1" in logs:
            validation = (
                f", validation top-1 {100 * float(logs['val_top1']):.2f} %, "
                f"cross-entropy {float(logs['val_cross_entropy']):.4f}"
            )
        print(
            f"epoch {epoch + 1}/{self.epochs}: {self._scores(logs)}{validation}",
            flush=True,
        )

    def _tell_estimate(self) -> None:
        left = self.epochs * self.steps_per_epoch - self.step
        if not left:
            return
        seconds = self._seconds_per_step()
        # The bar is drawn anew below the line.
        tqdm.write(
            f"About {_clock(seconds * left)} for the {left:,} steps left, at "
            f"{self.batch_size / seconds:.0f} images/s, without the scoring of validation images."
        )
        sys.stdout.flush()

    def _seconds_per_step(self) -> float:
        return (time.monotonic() - (self._begun or 0.0)) / (self.step - self._begun_step)

    def _scores(self, logs: dict) -> str:
        scores = (
            f"loss {float(logs['loss']):.4f}, top-1 {100 * float(logs['top1']):.2f} %, "
            f"learning rate {self.model.optimizer.learning_rate_of(self.step):.2e}"
        )
        if self._begun is None or self.step == self._begun_step:
            return scores
        seconds = self._seconds_per_step()
        left = seconds * (self.epochs * self.steps_per_epoch - self.step)
        return f"{scores}, {self.batch_size / seconds:.0f} images/s, {_clock(left)} left"


def _wait(logs: dict | None) -> None:
    """Waits for the device, which may be steps behind."""
    if logs:
        float(logs["loss"])


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
