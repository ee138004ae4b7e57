"""Scores for TensorBoard."""

from pathlib import Path

import keras

from training.run.callbacks.history import History
from training.run.callbacks.tensorboard import TensorBoard


class TensorBoardLogger:
    """Writes the scores of every epoch for TensorBoard.

    Args:
        folder: path of the folder of the logs.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def callback(self, history: History, record: dict) -> keras.callbacks.Callback:
        """Returns the callback that writes them."""
        return TensorBoard(self.folder, write_graph=False)

    def forget(self) -> None:
        """Does nothing: TensorBoard shows when each of its files was begun."""

    def finish(self, record: dict) -> None:
        """Does nothing: the callback has written everything."""
