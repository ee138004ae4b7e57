"""Stops a run whose loss says that it is lost."""

import math

import keras

# What a person can do about it.
ADVICE = (
    "A smaller learning rate, a longer warm-up or gradient clipping (--optimization.clip-norm 1) "
    "may help. The same command with such an option and --change-optimization goes on from the "
    "last good checkpoint, if there is one; in another folder it begins anew."
)


class Diverged(ArithmeticError):
    """The loss is NaN, infinite, or far above that of random guessing."""


class LossGuard(keras.callbacks.Callback):
    """Stops when the loss is NaN or infinite, or when training diverges.

    Args:
        classes: integer. Random guessing has a cross-entropy of ln(classes); training diverges when
            the mean loss of an epoch so far exceeds twice that, or that and 2 with more than 7
            classes: Keras' losses on JAX and PyTorch end at 16, wherever training goes.
        every: integer, batches between two looks: each look waits for the device.
    """

    def __init__(self, classes, every=20):
        super().__init__()
        self.guessing = math.log(max(2, classes))
        self.limit = self.guessing + min(self.guessing, 2)
        self.every = every

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the mean loss of the epoch so far."""
        if (batch + 1) % self.every == 0:
            self.check(logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the mean loss of the epoch, and at that of the validation images.

        The latter may be large in a model that only knows its training images too well.
        """
        self.check(logs["loss"])
        if "val_cross_entropy" in logs:
            self.check(logs["val_cross_entropy"], limit=math.inf)

    def check(self, loss, limit=None):
        """Raises `Diverged` if a loss is NaN, or above a limit: by default the callback's."""
        loss = float(loss)
        if math.isfinite(loss) and loss <= (self.limit if limit is None else limit):
            return
        raise Diverged(
            f"Training has diverged: the loss is {loss:.3g}, and random guessing would give "
            f"{self.guessing:.3g}. {ADVICE}"
        )
