"""Runs that end early, and the checkpoints of runs that are finished."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from png_decoder import read_png_only
from report_text import leave_out_pictures
from tiny_runs import RECIPE
from two_layers import replace_models

from training.report import page
from training.run.callbacks import EarlyStopping, History
from training.run.metrics_csv import read_metrics_csv
from training.run.options import TrainOptions
from training.train import train


@pytest.mark.parametrize(
    ("scores", "due"),
    [
        ([(0.5, 1.0)], False),
        ([(0.5, 1.0), (0.5, 1.0)], False),
        ([(0.5, 1.0), (0.5, 1.0), (0.4, 1.1)], True),
        ([(0.5, 1.0), (0.5, 1.0), (0.4, 0.9)], False),  # a lower cross-entropy
        ([(0.5, 1.0), (0.5, 1.0), (0.6, 2.0)], False),  # a higher top-1
        ([(0.5, 1.0), (0.6, 1.2), (0.5, 1.1), (0.6, 1.0)], True),  # no better than the best
        ([], False),
    ],
)
def test_patience_counts_epochs_without_a_better_top1_or_cross_entropy(scores, due):
    rows = [
        {"epoch": number, "val_top1": top1, "val_cross_entropy": cross_entropy}
        for number, (top1, cross_entropy) in enumerate(scores, 1)
    ]
    history = History(None, 1, 1, {"history": rows, "seconds": 0.0, "images_per_second": 0.0})

    assert EarlyStopping(history, patience=2).is_due() is due
    assert not EarlyStopping(history, patience=None).is_due()


def test_patience_of_nothing_is_refused(folder, tmp_path):
    recipe = dataclasses.replace(RECIPE, patience=0)

    with pytest.raises(ValueError, match="`patience` must be an integer of at least 1, or None"):
        train(recipe, TrainOptions(f"folder:{folder}", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def stopped_early(finished_run, folder, tmp_path_factory):
    """A run whose scores never change; its recipe, and what is in its folder at two times.

    The first process ends while the report is written, the second resumes and writes it.
    """
    out = tmp_path_factory.mktemp("early") / "run"
    still = dataclasses.replace(
        RECIPE.optimization, learning_rate=1e-30, final_learning_rate=1e-30, average_momentum=0.9
    )
    model = dataclasses.replace(
        RECIPE.model, initial_weights=str(finished_run / "model.keras"), initial_classifier=True
    )
    recipe = dataclasses.replace(
        RECIPE, model=model, optimization=still, epochs=9, patience=2, freeze=("stem", "norm")
    )
    options = TrainOptions(f"folder:{folder}", out, log=())
    with pytest.MonkeyPatch.context() as patch:
        replace_models(patch)
        read_png_only(patch)
        leave_out_pictures(patch)
        with patch.context() as full:

            def refuse(*_):
                raise OSError("no space")

            full.setattr(page, "write_report", refuse)
            with pytest.raises(OSError, match="no space"):
                train(recipe, options)
        during = {path.name for path in out.iterdir()}
        train(recipe, options)
    return out, recipe, (during, {path.name for path in out.iterdir()})


@pytest.mark.slow
def test_run_stops_when_its_scores_no_longer_improve(stopped_early):
    run, _, _ = stopped_early
    record = json.loads((run / "run.json").read_text())
    sentence = "Training stopped early, after epoch 3 of 9"

    assert [row["epoch"] for row in read_metrics_csv(run / "metrics.csv")] == [1, 2, 3]
    assert record["epoch"] == 3
    assert record["early_stop"].startswith(sentence)
    assert sentence in (run / "report.md").read_text()


@pytest.mark.slow
def test_frozen_parts_end_with_the_initial_weights(stopped_early, finished_run):
    run, recipe, _ = stopped_early
    before, after = (
        keras.saving.load_model(each / "model.keras", compile=False) for each in (finished_run, run)
    )
    for name in recipe.freeze:
        for one, other in zip(
            before.get_layer(name).weights, after.get_layer(name).weights, strict=True
        ):
            np.testing.assert_array_equal(np.array(one), np.array(other))


@pytest.mark.slow
def test_checkpoints_are_removed_once_the_results_are_complete(stopped_early):
    _, _, (during, after) = stopped_early

    assert {"checkpoints", "model.keras"} <= during
    assert "checkpoints" not in after
    assert {"model.keras", "report.md", "labels.txt"} <= after
