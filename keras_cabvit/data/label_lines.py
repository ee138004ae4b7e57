"""Names in the text of a labels file."""

import re


def label_lines(text: str) -> list[str]:
    """Returns the names in the text of a labels file.

    Args:
        text: one name per line; lines end as on any system. Empty lines at the end, and a byte
            order mark at the beginning, are not names.
    """
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    while lines and not lines[-1].strip():
        lines.pop()
    return lines
