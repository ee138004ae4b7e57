"""Places for the scores of a run besides metrics.csv, behind one interface."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import keras

from keras_cabvit.url_credentials import without_credentials
from training.run.callbacks.history import History


class Logger(Protocol):
    """A place for the scores of a run."""

    def callback(self, history: History, record: dict) -> keras.callbacks.Callback:
        """Returns a callback that writes the scores of every epoch; it follows `history`.

        Args:
            history: `History`, whose rows a resumed run already has.
            record: dict, the run's run.json.
        """

    def forget(self) -> None:
        """Forgets an earlier training in the folder, which begins anew."""

    def finish(self, record: dict) -> None:
        """Writes the results of a finished run, unless it has done so.

        Args:
            record: dict, the run's run.json, with its final scores.
        """


def _tensorboard(folder: Path, place: str) -> Logger:
    from training.run.loggers.tensorboard import TensorBoardLogger

    if place:
        raise ValueError(
            f"`log` tensorboard takes no place: it writes {folder / 'tensorboard'}. "
            f"Received: log=tensorboard:{without_credentials(place)}"
        )
    return TensorBoardLogger(folder / "tensorboard")


def _mlflow(folder: Path, place: str) -> Logger:
    from training.run.loggers.mlflow import MLflowLogger

    return MLflowLogger(folder, place or None)


LOGGERS: dict[str, Callable[[Path, str], Logger]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
}


def open_loggers(names: Sequence[str], folder: Path) -> list[Logger]:
    """Returns the loggers of a run; nothing is written yet.

    Args:
        names: strings, each a name in `LOGGERS`, optionally followed by a colon and a place.
        folder: path of the run's folder.

    Raises:
        ValueError: there is no such logger, or its place cannot be used.
        ImportError: its package is not installed.
    """
    loggers = []
    for name in dict.fromkeys(names):
        kind, _, place = name.partition(":")
        if kind not in LOGGERS:
            raise ValueError(
                f"`log` must be {', '.join(LOGGERS)} or mlflow:URI, such as "
                f"mlflow:sqlite:///runs.db. Received: log={without_credentials(name)}"
            )
        loggers.append(LOGGERS[kind](folder, place))
    return loggers
