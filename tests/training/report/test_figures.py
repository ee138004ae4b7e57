import math

import numpy as np
import pytest
from PIL import Image

from training.evaluation.predictions import Mistake
from training.report.figures.confusion import (
    draw_confusion,
    most_confused_classes,
    most_confused_pairs,
)
from training.report.figures.curves import draw_curves
from training.report.figures.mistakes import draw_mistakes

CONFUSION = np.array([[9, 4, 0], [0, 8, 1], [3, 0, 7]])


def size_of(path):
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def test_pairs_are_those_with_the_most_mistakes():
    assert most_confused_pairs(CONFUSION, 2) == [(4, 0, 1), (3, 2, 0)]
    assert most_confused_pairs(CONFUSION, 9) == [(4, 0, 1), (3, 2, 0), (1, 1, 2)]


def test_of_many_classes_the_most_confused_are_drawn():
    confusion = 50 * np.eye(100, dtype=int)
    confusion[70, 3] = 9
    confusion[5, 60] = 8
    confusion[5, 61] = 7

    assert most_confused_classes(confusion, 4) == [3, 5, 60, 70]
    assert most_confused_classes(confusion, 5) == [3, 5, 60, 61, 70]
    assert most_confused_classes(CONFUSION, 24) == [0, 1, 2]


def test_confusion_matrix_without_any_mistake_among_many_classes(tmp_path):
    draw_confusion(np.eye(40, dtype=int), [str(number) for number in range(40)], tmp_path / "c.png")

    assert min(size_of(tmp_path / "c.png")) > 600


@pytest.mark.parametrize("epochs", [1, 12, 300])
def test_curves_of_a_run(tmp_path, epochs):
    history = [
        {"epoch": epoch, "loss": 1 / epoch, "top1": 0.5, "val_cross_entropy": 1 / epoch}
        | {"val_top1": 0.6, "learning_rate": 1e-3}
        for epoch in range(1, epochs + 1)
    ]
    draw_curves(history, tmp_path / "curves.png")

    assert size_of(tmp_path / "curves.png") == (1500, 510)


@pytest.mark.parametrize("gap", [None, math.nan])
def test_curves_skip_missing_values(tmp_path, gap):
    history = [{"epoch": 1, "loss": 2.0, "val_top1": gap}, {"epoch": 2, "val_top1": 0.5}]
    draw_curves(history, tmp_path / "gaps.png")
    draw_curves([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "val_top1": 0.5}], tmp_path / "same.png")

    with Image.open(tmp_path / "gaps.png") as gaps, Image.open(tmp_path / "same.png") as same:
        np.testing.assert_array_equal(np.asarray(gaps), np.asarray(same))


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (6, 1), (7, 2), (24, 4)])
def test_mistakes_are_in_rows_of_six(tmp_path, count, rows):
    image = np.full((40, 40, 3), [255, 0, 255], np.uint8)
    mistakes = [Mistake("name", image, 0, 1, 0.9)] * count
    draw_mistakes(mistakes, ["cat", "a dog with a very long name"], tmp_path / "mistakes.png")

    with Image.open(tmp_path / "mistakes.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    # Every image is drawn whole: 1.6 inches wide, at 150 dots per inch.
    drawn = (np.abs(pixels - [255, 0, 255]).sum(axis=-1) < 30).sum()
    assert drawn == pytest.approx(count * 240 * 240, rel=0.02)
    assert pixels.shape[0] == pytest.approx(rows * 315, abs=2)
