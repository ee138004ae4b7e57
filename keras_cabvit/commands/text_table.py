"""Tables for a terminal."""

from keras_cabvit.printable import is_printable


def print_table(header, rows, total=None, text_columns=1):
    """Prints rows of strings in columns.

    Args:
        header: tuple of strings.
        rows: list of tuples of strings, each as long as the header.
        total: a final row below a rule, or None.
        text_columns: integer, number of left-aligned columns; the rest, numbers, are right-aligned.
            Defaults to 1.
    """
    totals = [] if total is None else [total]
    widths = [max(map(len, column)) for column in zip(header, *rows, *totals, strict=True)]
    table = GrowingTable(header, widths, text_columns)
    for row in rows:
        table.add(row)
    for row in totals:
        table.add_rule()
        table.add(row)


class GrowingTable:
    """A table whose rows are printed as they come. The header is printed at once.

    Args:
        header: tuple of strings.
        widths: integers, the least width of each column. A longer first cell has a line of its own;
            another moves the rest of its row.
        text_columns: integer, number of left-aligned columns, as in `print_table`.
    """

    def __init__(self, header, widths, text_columns=1):
        self._widths = [max(pair) for pair in zip(widths, map(len, header), strict=True)]
        self._text_columns = text_columns
        self.add(header)
        self.add_rule()

    def add(self, cells):
        """Prints a row of strings."""
        first, *others = cells
        if len(first) > self._widths[0]:
            print(first)
            cells = ("", *others)
        placed = [
            cell.ljust(width) if number < self._text_columns else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, self._widths, strict=True))
        ]
        print("  ".join(placed).rstrip())

    def add_rule(self):
        """Prints a line of hyphens below every column."""
        print("  ".join("-" * width for width in self._widths))


def one_line(text):
    """Returns text without line breaks and control characters, which become escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if is_printable(character) else character.encode("unicode_escape").decode()
        for character in text
    )
