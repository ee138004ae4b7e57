"""A table as CSV text."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Returns a table as CSV text.

    Args:
        header: names of the columns.
        rows: the rows' cells.
    """
    lines = []
    for row in (header, *rows):
        text = io.StringIO()
        # Before Python 3.13 a carriage return is quoted only if lines end in it.
        csv.writer(text, lineterminator="\r\n").writerow(row)
        lines.append(text.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)
