"""Several seeds of one recipe, and the spread of their scores."""

import dataclasses
import json

import pytest
from tiny_runs import RECIPE

from training.run.choosing import Choice
from training.run.options import TrainOptions
from training.seeds import spread, train_seeds
from training.train import train

SCORES = {0: 0.80, 1: 0.84, 2: 0.82}


def one_run(recipe, options, command=None, choice=None):
    """Writes the record of a run of that seed, as training does, and counts the trainings."""
    options.out.mkdir(parents=True, exist_ok=True)
    scores = {"images": 400, "top1": SCORES[options.seed], "top5": None, "cross_entropy": 0.5}
    (options.out / "run.json").write_text(json.dumps({"scores": scores, "seed": options.seed}))
    return options.out


def test_summary_has_the_mean_and_the_sample_deviation(tmp_path):
    options = TrainOptions("elpv", tmp_path)
    text = train_seeds(RECIPE, options, [0, 1, 2], train_one=one_run)
    result = json.loads((tmp_path / "seeds.json").read_text())

    assert result["mean"] == pytest.approx({"top1": 0.82, "cross_entropy": 0.5})
    assert result["standard_deviation"] == pytest.approx({"top1": 0.02, "cross_entropy": 0})
    assert result["seeds"]["1"] == {"top1": 0.84, "cross_entropy": 0.5}
    assert (tmp_path / "seeds.md").read_text() == text + "\n"
    assert "| mean               | 82.0 % |        0.5000 |" in text
    assert "| standard deviation |  2.0 % |        0.0000 |" in text
    seeds = [json.loads((tmp_path / f"seed_{n}" / "run.json").read_text())["seed"] for n in SCORES]
    assert seeds == [0, 1, 2]


def test_all_seeds_have_what_the_first_has_chosen(tmp_path):
    """Otherwise the deviation would also be that of the epochs that fit into the minutes."""
    started = []

    def choosing_run(recipe, options, command=None, choice=None):
        started.append((recipe.epochs, choice))
        chosen = recipe if choice is None else dataclasses.replace(recipe, epochs=9)
        folder = one_run(chosen, options)
        record = json.loads((folder / "run.json").read_text())
        record["recipe"] = dataclasses.asdict(chosen)
        (folder / "run.json").write_text(json.dumps(record))
        return folder

    choice = Choice(frozenset({"epochs"}), minutes=1)
    options = TrainOptions("elpv", tmp_path)
    train_seeds(RECIPE, options, [0, 1, 2], choice=choice, train_one=choosing_run)

    assert started == [(RECIPE.epochs, choice), (9, None), (9, None)]


@pytest.mark.parametrize(("test", "split"), [(400, "test"), (0, "validation")])
def test_summary_says_which_images_were_scored(tmp_path, test, split):
    def run_on(recipe, options, command=None, choice=None):
        folder = one_run(recipe, options)
        record = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(record | {"images": {"test": test}}))
        return folder

    text = train_seeds(RECIPE, TrainOptions("elpv", tmp_path), [0, 1], train_one=run_on)

    assert text.startswith(f"Scores of 400 {split} images\n")
    assert json.loads((tmp_path / "seeds.json").read_text())["split"] == split


def test_spread_of_balanced_accuracy():
    scores = {seed: {"images": 9, "balanced_accuracy": 0.5 + 0.1 * seed} for seed in (0, 1, 2)}

    assert spread(scores)["mean"] == pytest.approx({"balanced_accuracy": 0.6})
    assert spread(scores)["standard_deviation"] == pytest.approx({"balanced_accuracy": 0.1})


def test_one_seed_has_no_deviation():
    result = spread({7: {"images": 10, "top1": 0.5}})

    assert result["mean"] == {"top1": 0.5}
    assert result["standard_deviation"] == {"top1": None}


@pytest.mark.parametrize("seeds", [[], [0, 1, 0], [0, -1], [0, 2**32]])
def test_seeds_must_differ_and_be_in_range(tmp_path, seeds):
    with pytest.raises(ValueError, match="must be different whole numbers from 0 to"):
        train_seeds(RECIPE, TrainOptions("elpv", tmp_path), seeds, train_one=one_run)
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_single_run_is_refused(tmp_path):
    one_run(RECIPE, TrainOptions("elpv", tmp_path))
    options = dataclasses.replace(TrainOptions("elpv", tmp_path))

    with pytest.raises(ValueError, match="holds a single run, not one for each seed"):
        train_seeds(RECIPE, options, [0, 1], train_one=one_run)


def test_single_run_is_not_written_into_the_folder_of_several(tmp_path):
    options = TrainOptions("fashion_mnist:64", tmp_path)
    train_seeds(RECIPE, options, [0, 1], train_one=one_run)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(ValueError, match=r"holds a run for each seed, such as seed_0: .* --seeds"):
        train(RECIPE, options)
    assert sorted(tmp_path.rglob("*")) == before
