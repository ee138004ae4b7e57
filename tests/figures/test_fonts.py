"""Class names in any script are drawn, or the report says which characters are not."""

import logging
import warnings

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from PIL import Image

from keras_cabvit.figures import fonts
from keras_cabvit.figures.fonts import drawing_note, font_families, undrawn_characters
from training.report.figures.confusion import draw_confusion


def draw(names, path):
    draw_confusion(np.eye(len(names), dtype=int), names, path)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.fixture
def cat_font(tmp_path, monkeypatch):
    """Installs a font whose one character is a filled square for 猫."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 900), (900, 900), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "cat"])
    builder.setupCharacterMap({ord("猫"): "cat"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "cat": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "cat": (1000, 0)})
    builder.setupHorizontalHeader(ascent=900, descent=0)
    builder.setupNameTable({"familyName": "Cat Sans", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "cat.ttf")
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", list(manager.ttflist))
    manager.addfont(tmp_path / "cat.ttf")
    manager._findfont_cached.cache_clear()
    yield "Cat Sans"
    manager._findfont_cached.cache_clear()


@pytest.fixture
def latin_alone(monkeypatch):
    """Leaves only the fonts that matplotlib brings."""
    manager = font_manager.fontManager
    own = [font for font in manager.ttflist if font.name == "DejaVu Sans"]
    monkeypatch.setattr(manager, "ttflist", own)
    manager._findfont_cached.cache_clear()
    yield
    manager._findfont_cached.cache_clear()


def test_any_installed_font_with_the_character_is_used(cat_font, tmp_path):
    assert font_families(["猫", "dog"]) == ["DejaVu Sans", cat_font]
    assert undrawn_characters(["猫", "dog"]) == ""
    assert drawing_note(["猫", "dog"]) == ""
    black = (draw(["猫", "a"], tmp_path / "cat.png") < 60).all(axis=-1).sum()
    assert black > 300 + (draw(["i", "a"], tmp_path / "i.png") < 60).all(axis=-1).sum()


def test_further_fonts_are_named_only_for_characters_that_need_them(cat_font):
    assert font_families(["Kätzchen", "кот", "γάτα"]) == ["DejaVu Sans"]


def test_characters_without_a_font_are_listed_once_without_warnings(latin_alone, tmp_path, caplog):
    names = ["中文", "中 🐈", "ascii"]
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        draw(names, tmp_path / "boxes.png")
        note = drawing_note(names)
    assert note.startswith("No installed font has the characters 中 文 🐈: they are boxes")
    assert caplog.records == []


def test_many_characters_without_a_font_are_counted(latin_alone):
    note = drawing_note(["".join(map(chr, range(0x20000, 0x20064)))])
    assert " and 80 more: they are boxes" in note


@pytest.mark.parametrize(("version", "said"), [((3, 10, 0), True), ((3, 11, 0), False)])
def test_unshaped_letters_of_an_older_matplotlib_are_reported(monkeypatch, version, said):
    monkeypatch.setattr(matplotlib, "__version_info__", version)
    assert ("drawn unjoined" in fonts.drawing_note(["قطة"])) == said
    assert fonts.drawing_note(["cat"]) == ""
