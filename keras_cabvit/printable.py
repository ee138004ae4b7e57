"""Characters that can be shown in a line of text."""

import unicodedata

# Zero-width non-joiner and joiner. Persian and several scripts of India are spelled with them, and
# emoji of several people are joined by them.
_JOINERS = "\u200c\u200d"


def is_printable(text: str) -> bool:
    r"""Returns whether text has only characters that can be shown in one line.

    Those are the characters of `str.isprintable`, all spaces, such as those of Japanese and of
    macOS' Option key, and the joiners of words and emoji. Line breaks, control characters and marks
    that turn the direction of what follows are not among them.

    Example:
        >>> from keras_cabvit.printable import is_printable
        >>> is_printable("\u3000"), is_printable("a\nb")
        (True, False)
    """
    return all(
        letter.isprintable() or letter in _JOINERS or unicodedata.category(letter) == "Zs"
        for letter in text
    )
