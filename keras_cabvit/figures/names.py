"""Names of classes and files in pictures and reports."""

from keras_cabvit.printable import is_printable


def without_controls(text: str) -> str:
    """Returns text with a replacement character for each line break and control character."""
    return "".join(
        letter if is_printable(letter) else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def shortened(name: str, letters: int) -> str:
    """Returns a name on one line, cut to a number of letters."""
    name = without_controls(name)
    return name if len(name) <= letters else name[: letters - 1].rstrip() + "…"
