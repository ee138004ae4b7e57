"""Tables as the text of a CSV file."""

import csv
import io

from training.evaluation.csv_table import csv_text


def test_odd_names_come_back_as_they_are():
    names = [
        'say "hi"',
        "a, b",
        "=1+1",
        "🦉",
        "",
        "line\nbreak",
        "carriage\rreturn",
        "both\r\n",
        " ",
    ]
    rows = [names, names[::-1]]

    assert [*csv.reader(io.StringIO(csv_text(names, rows), newline=""))] == [names, *rows]
