"""The end of a run whose scores no longer improve."""

import keras

from training.run.callbacks.history import History


class EarlyStopping(keras.callbacks.Callback):
    """Stops training when the scores of the validation images have not improved for some epochs.

    An epoch is an improvement if its top-1 is higher, or its cross-entropy lower, than in all
    epochs before: on few images top-1 stays the same for epochs that still help. Everything is
    computed from the rows of the history, so that a resumed run stops after the same epoch.

    Args:
        history: `History`, which must come before this callback.
        patience: integer, epochs without improvement; None never stops.

    Raises:
        ValueError: `patience` is less than 1.
    """

    def __init__(self, history: History, patience: int | None):
        super().__init__()
        if patience is not None and patience < 1:
            raise ValueError(f"`patience` must be at least 1, or None. Received: {patience}")
        self.history = history
        self.patience = patience

    def is_due(self) -> bool:
        """Returns whether the run has trained enough."""
        if self.patience is None or not self.history.rows:
            return False
        latest = self.history.rows[-1]["epoch"]
        return latest - _last_improvement(self.history.rows) >= self.patience

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Tells Keras to stop if it is due."""
        if self.is_due():
            self.model.stop_training = True

    def sentence(self, epochs: int) -> str:
        """Returns a sentence on a run that stopped before its last epoch; empty for others."""
        latest = self.history.rows[-1]["epoch"] if self.history.rows else 0
        if not self.is_due() or latest >= epochs:
            return ""
        return (
            f"Training stopped early, after epoch {latest} of {epochs}: neither top-1 nor "
            "cross-entropy on the validation images had improved since epoch "
            f"{_last_improvement(self.history.rows)}."
        )


def _last_improvement(rows: list[dict]) -> int:
    """Returns the number of the last epoch that was better than all before it."""
    top1, cross_entropy, epoch = -1.0, float("inf"), 0
    for row in rows:
        if row["val_top1"] > top1 or row["val_cross_entropy"] < cross_entropy:
            epoch = row["epoch"]
        top1 = max(top1, row["val_top1"])
        cross_entropy = min(cross_entropy, row["val_cross_entropy"])
    return epoch
