"""Stops a run that has diverged."""

import math

import keras

# Remedies, for messages.
ADVICE = (
    "A smaller learning rate, a longer warm-up or gradient clipping (--optimization.clip-norm 1) "
    "may help. The same command with such an option and --change-optimization resumes from the "
    "last good checkpoint, if there is one; in another folder it starts anew."
)


class Diverged(ArithmeticError):
    """The loss is NaN, infinite, or far above that of random guessing."""


class LossGuard(keras.callbacks.Callback):
    """Stops when the loss is NaN or infinite, or when training diverges.

    Args:
        classes: integer. Random guessing has a cross-entropy of ln(classes); training diverges when
            the mean loss of an epoch so far exceeds twice that, or that plus 2 with more than
            7 classes: Keras' losses on JAX and PyTorch are at most 16, however training diverges.
        every: integer, batches between two checks: each check waits for the device.
    """

    def __init__(self, classes: int, every: int = 20):
        super().__init__()
        self.guessing = math.log(max(2, classes))
        self.limit = self.guessing + min(self.guessing, 2)
        self.every = every

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Checks the mean loss of the epoch so far."""
        if logs and (batch + 1) % self.every == 0:
            self.check(logs["loss"])

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Checks the mean loss of the epoch, and that of the validation images.

        The latter may be large in a model that merely overfits.
        """
        logs = logs or {}
        self.check(logs["loss"])
        if "val_cross_entropy" in logs:
            self.check(logs["val_cross_entropy"], limit=math.inf)

    def check(self, loss: float, limit: float | None = None) -> None:
        """Raises `Diverged` if a loss is NaN or above a limit, by default the callback's."""
        loss = float(loss)
        if math.isfinite(loss) and loss <= (self.limit if limit is None else limit):
            return
        raise Diverged(
            f"Training has diverged: the loss is {loss:.3g}, and random guessing would give "
            f"{self.guessing:.3g}. {ADVICE}"
        )
