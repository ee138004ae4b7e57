"""metrics.csv: the scores of every epoch of a run."""

import csv
import io
import math
import os
from collections.abc import Sequence

from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.paths import local_path

COLUMNS = (
    "epoch",
    "step",
    "loss",
    "top1",
    "learning_rate",
    "images_per_second",
    "seconds",
    "val_top1",
    "val_top5",
    "val_cross_entropy",
)


def write_metrics_csv(path: str | os.PathLike, rows: Sequence[dict]) -> None:
    """Writes the rows of a run's metrics.csv.

    Args:
        path: path of the file.
        rows: dicts, one per epoch, from column to number; the cell of a missing one is empty.

    Raises:
        OSError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()})
    write_text_atomically(path, text.getvalue())


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
