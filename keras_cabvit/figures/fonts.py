"""Fonts for class names in any script, and the characters that no installed font has."""

import functools
import unicodedata
from collections.abc import Iterable

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

LATIN = "DejaVu Sans"
# Tried in this order before any other font: sans serif, and with many characters.
_PREFERRED = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "IPAGothic",
    "IPAPGothic",
    "NanumGothic",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Hiragino Sans",
    "PingFang SC",
    "Arial Unicode MS",
    "Noto Emoji",
)
# Matplotlib's own: boxes for every character, and mathematical fonts with an order of their own.
_UNSUITABLE = ("Last Resort", "cm", "STIX")
_SHOWN = 20
# Before this version matplotlib draws every letter by itself, from left to right.
_SHAPES_TEXT = (3, 11)


def font_families(names: Iterable[str]) -> list[str]:
    """Returns the fonts that names are drawn with.

    Args:
        names: strings.

    Returns:
        A list of font families; each character is drawn with the first one that has it.
    """
    return _chosen(set("".join(names)))[0]


def undrawn_characters(names: Iterable[str]) -> str:
    """Returns the characters of names that no installed font has, sorted, each once."""
    return _chosen(set("".join(names)))[1]


def drawing_note(names: Iterable[str]) -> str:
    """Returns sentences on names that pictures cannot show as they are; "" if there are none."""
    names = list(names)
    sentences = []
    missing = undrawn_characters(names)
    if missing:
        shown = " ".join(missing[:_SHOWN])
        rest = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
        sentences.append(
            f"No installed font has the characters {shown}{rest}: they are boxes in the pictures. "
            "Install a font that has them, such as one of the Noto fonts, and write the pictures "
            "again."
        )
    if matplotlib.__version_info__[:2] < _SHAPES_TEXT and any(
        unicodedata.bidirectional(character) in ("R", "AL") for character in "".join(names)
    ):
        sentences.append(
            "Right-to-left letters are drawn unjoined and from left to right; matplotlib 3.11 and "
            "later draw them properly."
        )
    return " ".join(sentences)


def _chosen(characters: set[str]) -> tuple[list[str], str]:
    """Returns the fonts for characters, and those that none of them has."""
    # Later entries of one family are its other weights.
    files = {font.name: font.fname for font in reversed(font_manager.fontManager.ttflist)}
    families = [LATIN]
    # Control characters are never drawn; marks are drawn upon another character.
    missing = {
        character
        for character in characters
        if character.isprintable() and unicodedata.category(character)[0] != "M"
    } - _characters_in(files[LATIN])
    others = sorted(name for name in files if not name.startswith(_UNSUITABLE))
    for family in (*_PREFERRED, *others):
        if missing and family in files and (found := missing & _characters_in(files[family])):
            families.append(family)
            missing -= found
    return families, "".join(sorted(missing))


@functools.cache
def _characters_in(file: str) -> frozenset[str]:
    try:
        font = FT2Font(file)
    except (RuntimeError, OSError):  # it was removed, or is no outline font
        return frozenset()
    return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()
