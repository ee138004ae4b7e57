"""Reads the metrics.csv of a run."""

import csv
import math
import os

from keras_cabvit.paths import local_path


def read_metrics_csv(path: str | os.PathLike) -> list[dict]:
    """Returns the rows of a run's metrics.csv.

    Args:
        path: path of the file.

    Returns:
        A list of dicts, one per epoch, from column to number: `epoch` and `step` are integers, the
        others floats, NaN for an empty cell.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        with local_path(path).open(newline="", encoding="utf-8") as file:
            return [
                {name: _number(name, text) for name, text in row.items()}
                for row in csv.DictReader(file, strict=True)
                if row["epoch"]
            ]
    except (ValueError, TypeError, KeyError, AttributeError, csv.Error) as error:
        raise ValueError(
            f"{path} is damaged: it must have a column `epoch`, and only numbers. Restore it "
            "from a copy, or remove it: a report then has no curves."
        ) from error


def _number(name: str, text: str) -> int | float:
    if name in ("epoch", "step"):
        return int(text)
    return float(text) if text else math.nan
