import dataclasses
import json

import pytest
from report_text import leave_out_pictures
from tiny_runs import RECIPE

from training.run.choosing import Choice
from training.run.options import TrainOptions
from training.train import train

pytestmark = pytest.mark.usefixtures("models_of_two_layers", "png_files")

BATCH = Choice(frozenset({"batch_size", "optimization.learning_rate"}))
QUICK = dataclasses.replace(
    RECIPE, epochs=1, optimization=dataclasses.replace(RECIPE.optimization, warmup_epochs=0)
)


def test_choice_is_printed_recorded_and_kept_when_the_run_is_resumed(
    folder, tmp_path, capsys, monkeypatch
):
    leave_out_pictures(monkeypatch)
    options = TrainOptions(f"folder:{folder}", tmp_path / "run", log=())
    train(QUICK, options, choice=BATCH)
    recipe = json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]
    printed = capsys.readouterr().out

    assert recipe["batch_size"] == 16  # of 30 images
    assert recipe["optimization"]["learning_rate"] == 0.001
    assert "| --optimization.learning-rate | 0.001 |" in printed
    # The command of a resumed run has the recipe's own values.
    train(QUICK, options, choice=BATCH)
    assert "This run is finished" in capsys.readouterr().out


def test_time_is_that_of_real_steps(folder, tmp_path):
    options = TrainOptions(f"folder:{folder}", tmp_path / "run", log=())
    seconds = Choice(frozenset({"epochs"}), minutes=0.5)

    with pytest.raises(ValueError, match="too short for one epoch"):
        train(QUICK, options, choice=seconds)
    assert not (tmp_path / "run").exists()


def test_extension_starts_from_the_run_whatever_weights_could_be_chosen(
    finished_run, folder, tmp_path, monkeypatch
):
    def chosen(recipe, choice, *_):
        raise RuntimeError(recipe.model.initial_weights, choice.fields)

    monkeypatch.setattr("training.train.chosen_recipe", chosen)
    options = TrainOptions(f"folder:{folder}", tmp_path / "run", extend=finished_run, log=())
    with pytest.raises(RuntimeError) as found:
        train(QUICK, options, choice=Choice(BATCH.fields | {"model.initial_weights"}))

    assert found.value.args == (str(finished_run / "model.keras"), BATCH.fields)


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_wrong_minutes_give_a_clear_error(minutes):
    with pytest.raises(ValueError, match="`minutes` must be above 0"):
        Choice(frozenset(), minutes)
