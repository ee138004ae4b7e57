"""A table as CSV text."""

from collections.abc import Iterable, Sequence
from typing import Any

from keras_cabvit.csv_row import csv_row


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Returns a table as CSV text.

    Args:
        header: names of the columns.
        rows: the rows' cells.
    """
    return "".join(map(csv_row, (header, *rows)))
