"""Tables for a terminal."""


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
    rule = "  ".join("-" * width for width in widths)

    def aligned(cells):
        placed = [
            cell.ljust(width) if number < text_columns else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(placed).rstrip()

    print(aligned(header), rule, *map(aligned, rows), sep="\n")
    for row in totals:
        print(rule, aligned(row), sep="\n")
