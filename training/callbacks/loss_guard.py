"""Stops a run whose loss says that it is lost."""

import math

import keras


class Diverged(ArithmeticError):
    """The loss is no number, infinite, or far above that of a model that knows nothing."""


class LossGuard(keras.callbacks.Callback):
    """Stops when the loss is no number or when training diverges.

    Args:
        classes: integer. A model that knows nothing has a cross-entropy of log(classes); training
            diverges when the mean loss of an epoch so far is above twice that.
        every: integer, batches between two looks: each look waits for the device.
    """

    def __init__(self, classes, every=20):
        super().__init__()
        self.limit = 2 * math.log(max(2, classes))
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
        """Raises `Diverged` if a loss is no number, or above a limit: by default the callback's."""
        loss = float(loss)
        if math.isfinite(loss) and loss <= (self.limit if limit is None else limit):
            return
        raise Diverged(
            f"Training has diverged: the loss is {loss:.3g}, and that of a model that knows "
            f"nothing is {self.limit / 2:.3g}, log(number of classes). A smaller learning rate, a "
            "longer warm-up or gradient clipping (--optimization.clip-norm 1) may help."
        )
