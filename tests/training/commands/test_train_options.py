"""Options of `python -m training train` that name other runs, or several seeds."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from png_decoder import read_png_only
from report_text import leave_out_pictures
from two_layers import replace_models

from training.__main__ import main
from training.run.options import TrainOptions


@pytest.fixture
def started(monkeypatch):
    """The runs that the command starts, as (recipe, options), instead of training them."""
    runs = []

    def start(recipe, options, *_, command=None, choice=None):
        runs.append((recipe, options))
        scores = {"images": 100, "top1": 0.5}
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "run.json").write_text(json.dumps({"scores": scores}))
        return options.out

    monkeypatch.setattr("training.commands.train.train", start)
    return runs


def test_settings_of_another_run_are_defaults(finished_run, started, tmp_path):
    out = tmp_path / "run"
    config = ["--config", str(finished_run / "run.json")]
    assert main(["train", *config, "--out", str(out), "--epochs", "7", "--log"]) == 0
    record = json.loads((finished_run / "run.json").read_text())
    ((recipe, options),) = started

    assert recipe.epochs == 7
    assert recipe.model.embed_dims == (16,)
    assert recipe.optimization.learning_rate == 0.002
    assert options == TrainOptions(record["data_source"], out, seed=3, log=())


def test_a_table_of_labels_is_an_option_and_a_default(finished_run, started, tmp_path):
    table, run = tmp_path / "labels.csv", tmp_path / "run"
    table.touch()
    places = ["--data", "folder:photos", "--out", str(run)]
    assert main(["train", *places, "--data.labels", str(table)]) == 0
    record = json.loads((finished_run / "run.json").read_text())
    run.joinpath("run.json").write_text(json.dumps(record | {"labels": str(table)}))
    assert main(["train", "--config", str(run), "--out", str(tmp_path / "other")]) == 0

    assert [options.labels for _, options in started] == [table, table]


def test_extension_has_the_settings_of_its_source(finished_run, started, tmp_path):
    extend = ["--extend", str(finished_run)]
    assert main(["train", *extend, "--out", str(tmp_path / "run"), "--seed", "9"]) == 0
    ((recipe, options),) = started

    assert recipe.model.embed_dims == (16,)
    assert (options.extend, options.seed) == (finished_run, 9)
    assert options.log == ("tensorboard",)


@pytest.mark.parametrize("option", ["--config", "--extend"])
@pytest.mark.parametrize("seeds", [[], ["--seeds", "3", "4"]])
def test_begun_run_is_resumed_when_the_run_whose_settings_it_has_is_gone(
    finished_run, started, tmp_path, option, seeds, capsys
):
    source, out = tmp_path / "source", tmp_path / "out"
    begun = out / "seed_3" if seeds else out
    begun.mkdir(parents=True)
    record = json.loads((finished_run / "run.json").read_text())
    record["recipe"]["epochs"] = 7
    record["extends"] = {"run": str(source), "epoch": 2, "added": 0, "removed": 0}
    (begun / "run.json").write_text(json.dumps(record))
    arguments = ["train", option, str(source), "--out", str(out), *seeds]

    assert main(arguments) == 0
    assert f"{source} is gone" in capsys.readouterr().out
    assert {recipe.epochs for recipe, _ in started} == {7}
    assert {(run.extend, run.data) for _, run in started} == {(source, record["data_source"])}


def test_run_in_the_folder_that_extends_another_is_not_taken_for_one_that_is_gone(
    finished_run, started, tmp_path, capsys
):
    shutil.copy(finished_run / "run.json", tmp_path)

    assert main(["train", "--extend", str(tmp_path / "gone"), "--out", str(tmp_path)]) == 1
    assert "`extend` must be the run.json of a run" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--config", "--config=runs", "--extend"])
def test_two_recipes_are_refused_or_one_is_taken(finished_run, started, tmp_path, option, capsys):
    source = [option] if "=" in option else [option, str(finished_run)]
    source = [each.replace("=runs", f"={finished_run}") for each in source]
    arguments = ["--recipe", "elpv", "--data", "elpv", "--out", str(tmp_path / "run")]
    status = main(["train", *source, *arguments])

    if option == "--extend":  # its model by another recipe
        assert started[0][0].batch_size == 32
    else:
        assert status == 1
        assert "not both" in capsys.readouterr().err


def test_seeds_are_trained_one_after_the_other(started, tmp_path, capsys):
    arguments = ["--recipe", "elpv", "--data", "elpv", "--out", str(tmp_path), "--seeds", "2", "5"]
    assert main(["train", *arguments]) == 0

    runs = [(options.seed, options.out.name) for _, options in started]
    assert runs == [(2, "seed_2"), (5, "seed_5")]
    assert "| mean" in capsys.readouterr().out
    assert json.loads((tmp_path / "seeds.json").read_text())["mean"] == {"top1": 0.5}


def test_two_starts_are_refused(finished_run, started, tmp_path, capsys):
    extend = ["--extend", str(finished_run), "--out", str(tmp_path / "run")]

    assert main(["train", *extend, "--model.initial-weights", "tiny_imagenet"]) == 1
    assert "or --model.initial-weights, not both" in capsys.readouterr().err
    assert not started


@pytest.mark.slow
def test_seeds_resume_and_extension_of_one_after_photographs_were_added(
    finished_run, folder, tmp_path, monkeypatch, capsys
):
    """The whole way with training: two seeds, the same command again, more images, an extension."""
    replace_models(monkeypatch)
    read_png_only(monkeypatch)
    leave_out_pictures(monkeypatch)
    images, out = tmp_path / "images", tmp_path / "runs"
    shutil.copytree(folder, images)
    places = ["--data", f"folder:{images}", "--log", "--epochs", "1"]
    places += ["--optimization.warmup-epochs", "0"]
    seeds = [
        "train",
        "--config",
        str(finished_run),
        *places,
        "--out",
        str(out),
        "--seeds",
        "3",
        "4",
    ]
    assert main(seeds) == 0
    first = (out / "seeds.json").read_bytes()
    assert "The checkpoints," in capsys.readouterr().out
    assert main(seeds) == 0
    assert capsys.readouterr().out.count("This run is finished") == 2
    assert (out / "seeds.json").read_bytes() == first

    rng = np.random.default_rng(9)
    for number in range(8):
        pixels = rng.integers(0, 128, (36, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / "dark" / f"new_{number}.png")
    longer = ["train", "--extend", str(out / "seed_3"), *places, "--out", str(out / "longer")]
    assert main(longer) == 0
    output = capsys.readouterr().out
    assert re.search(r"\| dark +\| +8 \| +0 \| +28 \|", output)
    assert "with the classifier" in output
    record = json.loads((out / "longer" / "run.json").read_text())
    assert record["images"] == {"training": 36, "validation": 12, "test": 0}
    assert "8 images added and 0 removed since" in (out / "longer" / "report.md").read_text()
    assert main(longer) == 0
    assert "This run is finished" in capsys.readouterr().out
    assert main(["evaluate", str(out / "longer")]) == 0
    assert "12 validation images" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["config", "extend"])
def test_address_of_another_run_is_refused_by_the_name_of_its_option(option, tmp_path, capsys):
    given = [f"--{option}", "gs://bucket/run", "--data", "elpv", "--out", str(tmp_path / "out")]

    assert main(["train", *given]) == 1
    assert f"`{option}` must be a path on this computer" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["config", "extend"])
def test_missing_run_is_refused_by_the_name_of_its_option(option, tmp_path, capsys):
    given = [f"--{option}", str(tmp_path / "none"), "--out", str(tmp_path / "out")]

    assert main(["train", *given]) == 1
    assert f"`{option}` must be the run.json of a run" in capsys.readouterr().err
