"""Markdown that also reads well in a terminal."""

import math
import re

# What starts something in Markdown, or in the HTML and the formulas that it may hold. Inside a word
# an underscore does not.
_MARKS = re.compile(r"([\\`*\[\]<>|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#|\w+;))")


def table(header, rows, text_columns=1):
    """Returns a Markdown table whose columns line up.

    Args:
        header: list of strings.
        rows: list of lists of strings, each as long as the header.
        text_columns: integer, how many columns, from the left, are text; the others are numbers,
            which stand to the right.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = [
        "-" * width if index < text_columns else "-" * (width - 1) + ":"
        for index, width in enumerate(widths)
    ]

    def line(cells):
        padded = [
            cell.ljust(width) if index < text_columns else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(header), line(rule), *map(line, rows)])


def escaped(text):
    """Returns text, such as the name of a class or a file, that Markdown shows as it is."""
    one_line = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return _MARKS.sub(r"\\\1", one_line)


def percent(share, images):
    """Returns a share as a percentage with as many decimals as one image of so many is worth.

    Args:
        share: float, 0 to 1, or NaN where there is none.
        images: integer, of which it is a share.
    """
    if math.isnan(share):
        return "-"
    return f"{100 * share:.{2 if images >= 5000 else 1}f} %"
