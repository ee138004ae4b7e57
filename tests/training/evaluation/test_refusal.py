import json

import numpy as np
import pytest

from training.evaluation.refusal import (
    Refusal,
    choose_threshold,
    refusal_cost,
    refusal_of_record,
)

# Twenty right predictions of 0.51, 0.52, ... 0.70, and four wrong ones.
RIGHT = np.array([[confidence, 1 - confidence] for confidence in np.arange(51, 71) / 100])
WRONG = np.array([[0.505, 0.495], [0.515, 0.485], [0.6, 0.4], [0.9, 0.1]])
PROBABILITIES = np.concatenate([RIGHT, WRONG])
LABELS = np.repeat([0, 1], [20, 4])


@pytest.mark.parametrize(("coverage", "threshold"), [(0.95, 0.52), (1, 0.51), (0.5, 0.61)])
def test_threshold_keeps_its_share_of_the_right_predictions(coverage, threshold):
    chosen = choose_threshold(PROBABILITIES, LABELS, coverage)

    assert chosen == pytest.approx(threshold, abs=1e-5)
    assert np.mean(RIGHT.max(axis=1) >= chosen) == coverage


def test_hand_computed_cost():
    cost = refusal_cost(PROBABILITIES, LABELS, 0.52)

    assert cost.images == 24
    assert cost.refused == pytest.approx(3 / 24)
    assert cost.right_refused == pytest.approx(1 / 20)
    assert cost.wrong_refused == pytest.approx(2 / 4)
    assert cost.accuracy == pytest.approx(19 / 21)


def test_cost_when_all_are_right_or_all_refused():
    assert refusal_cost(RIGHT, LABELS[:20], 0.5).wrong_refused is None
    assert refusal_cost(RIGHT, LABELS[:20], 1.1).accuracy is None


def test_model_that_is_never_right_has_no_threshold():
    assert choose_threshold(WRONG, LABELS[20:]) is None


@pytest.mark.parametrize("coverage", [0, 1.1])
def test_coverage_out_of_range_gives_a_clear_error(coverage):
    with pytest.raises(ValueError, match=f"above 0 and at most 1. Received: {coverage}"):
        choose_threshold(PROBABILITIES, LABELS, coverage)


def test_record_can_be_read_back():
    refusal = Refusal(0.52, 0.95, refusal_cost(PROBABILITIES, LABELS, 0.52))

    assert refusal_of_record(json.loads(json.dumps(refusal.as_record()))) == refusal
