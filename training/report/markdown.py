"""Markdown that also reads well in a terminal."""

import math
import re
from collections.abc import Sequence

from keras_cabvit.figures.names import without_controls

# Characters with a meaning in Markdown, or in the HTML and formulas inside it. An underscore within
# a word has none.
_MARKS = re.compile(r"([\\`*\[\]<>|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#|\w+;))")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """Returns a Markdown table with aligned columns.

    Args:
        header: list of strings.
        rows: list of lists of strings, each as long as the header.
        text_columns: integer, the number of text columns, from the left; the others are numbers,
            aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = [
        "-" * width if index < text_columns else "-" * (width - 1) + ":"
        for index, width in enumerate(widths)
    ]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if index < text_columns else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(header), line(rule), *map(line, rows)])


def escaped(text: str) -> str:
    """Escapes text, such as the name of a class or a file, for Markdown."""
    return _MARKS.sub(r"\\\1", without_controls(text))


def percent(share: float | None, images: int) -> str:
    """Returns a share as a percentage with as many decimals as the number of images justifies.

    Args:
        share: float, 0 to 1; NaN or None if there is none.
        images: integer, the number of images that it is a share of.
    """
    if share is None or math.isnan(share):
        return "-"
    return f"{100 * share:.{2 if images >= 5000 else 1}f} %"
