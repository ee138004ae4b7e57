"""Precision, recall and mean average precision of boxes, by hand."""

import numpy as np
import pytest

from benchmarks.keras_hub_tasks.scores import mean_average_precision, precision_and_recall

SQUARES = np.array([(0, 0, 10, 10), (20, 20, 30, 30), (50, 50, 60, 60)], np.float32)
EXPECTED = [(SQUARES[:2], np.array([0, 1]))]


def found(*rows):
    """Returns one image's found boxes from (box, label, score)."""
    boxes, labels, scores = zip(*rows, strict=True)
    return [(np.array(boxes), np.array(labels), np.array(scores))]


@pytest.mark.parametrize(
    ("boxes", "precision", "recall"),
    [
        ([(SQUARES[0], 0, 0.9), (SQUARES[1], 1, 0.8)], 1, 1),
        ([(SQUARES[0], 0, 0.9), (SQUARES[1], 1, 0.4)], 1, 1 / 2),  # its score is too low
        ([(SQUARES[0], 0, 0.9), (SQUARES[0], 0, 0.8)], 1 / 2, 1 / 2),  # found twice
        ([(SQUARES[0], 1, 0.9), (SQUARES[1], 0, 0.9)], 0, 0),  # of the other class
        ([(SQUARES[0], 0, 0.9), (SQUARES[2], 2, 0.9)], 1 / 2, 1 / 2),  # of a class of no image
        ([(SQUARES[0] + (0, 4, 0, 4), 0, 0.9)], 0, 0),  # their overlap is 60 of 140
        ([(SQUARES[0] + (0, 3, 0, 3), 0, 0.9)], 1, 1 / 2),  # 70 of 130
        ([(SQUARES[0], 0, 0.1)], 0, 0),
    ],
)
def test_precision_and_recall_at_score_half(boxes, precision, recall):
    assert precision_and_recall(found(*boxes), EXPECTED) == (precision, recall)


def test_wrong_boxes_below_the_right_ones_do_not_lower_the_average_precision():
    right = [(SQUARES[0], 0, 0.9), (SQUARES[1], 1, 0.9)]
    wrong = [(SQUARES[2], 0, 0.8), (SQUARES[2], 1, 0.8)]
    boxes = found(*right, *wrong)
    assert mean_average_precision(boxes, EXPECTED) == 1
    assert precision_and_recall(boxes, EXPECTED) == (1 / 2, 1)
    first = [(box, label, 0.95) for box, label, _ in wrong]
    assert mean_average_precision(found(*right, *first), EXPECTED) == 1 / 2
