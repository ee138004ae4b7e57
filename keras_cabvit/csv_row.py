"""A row of a CSV file, as text."""

import csv
import io
from collections.abc import Iterable
from typing import Any


def csv_row(cells: Iterable[Any]) -> str:
    """Returns a row of a CSV file with the end of its line, which is a line feed.

    Args:
        cells: the cells, of which those with commas, quotes or ends of lines are quoted.
    """
    text = io.StringIO()
    # Before Python 3.13 a carriage return is quoted only if lines end in it.
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"
