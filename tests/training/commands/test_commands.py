import io
import json
import sys
from types import SimpleNamespace

import pytest
from PIL import Image
from small_disk import files_of_at_most
from tiny_runs import OPTIONS

from training.__main__ import COMMANDS, main
from training.evaluation.model_score import ModelScore
from training.recipes import RECIPES
from training.recipes.choice import FIELDS
from training.run.choosing import Choice

# Both are compiled in little time.
pytestmark = pytest.mark.usefixtures("models_of_two_layers", "png_files")

TRAIN = ["train", "--recipe", "fashion_mnist"]


@pytest.fixture(scope="module")
def trained_by_command(folder, tmp_path_factory):
    """A run that the command trained for one epoch."""
    out = tmp_path_factory.mktemp("runs") / "run"
    changes = ["--epochs", "1", "--optimization.warmup-epochs", "0"]
    assert main([*TRAIN, "--data", f"folder:{folder}", "--out", str(out), *OPTIONS, *changes]) == 0
    return out


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands(arguments, capsys):
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


def test_unknown_command_gives_a_clear_error(capsys):
    assert main(["trian"]) == 2
    assert "There is no command 'trian'" in capsys.readouterr().err


def test_recipe_must_be_named(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["show-batch", "--data", "fashion_mnist"])

    assert stop.value.code == 2
    assert "--recipe" in capsys.readouterr().err


def test_train_fine_tunes_the_weights_in_the_package_by_default(monkeypatch, tmp_path):
    started = []

    def train(recipe, *_, choice):
        started.append((recipe, choice))

    monkeypatch.setattr("training.commands.train.train", train)
    command = ["train", "--data", f"folder:{tmp_path}", "--out", str(tmp_path / "run")]

    assert main(command) == 0
    assert started.pop() == (RECIPES["finetune"], Choice(frozenset(FIELDS)))
    # What is given is not chosen.
    assert main([*command, "--epochs", "30", "--model.image-size=64", "64", "--minutes", "3"]) == 1
    assert main([*command, "--recipe", "elpv", "--epochs", "30", "--minutes", "3"]) == 1
    assert main([*command, "--epochs", "30", "--minutes", "3"]) == 0
    assert started.pop()[1] == Choice(frozenset(FIELDS) - {"epochs"}, 3)
    assert main([*command, "--model.image_size", "64", "64", "--minutes", "3"]) == 0
    recipe, choice = started.pop()
    assert recipe.model.image_size == (64, 64)
    assert choice == Choice(frozenset(FIELDS) - {"model.image_size"}, 3)
    assert main([*command, "--recipe", "elpv"]) == 0
    assert started.pop() == (RECIPES["elpv"], None)
    assert main([*command, "--recipe", "elpv", "--minutes", "3"]) == 0
    assert started.pop() == (RECIPES["elpv"], Choice(frozenset({"epochs"}), 3))


def test_help_of_a_recipe_shows_every_option_with_its_value(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "--recipe", "imagenet_cabvith_s", "--help"])

    assert stop.value.code == 0
    text = capsys.readouterr().out
    for option in ("--data", "--strategy", "--optimization.weight-decay", "--model.drop-path-rate"):
        assert option in text
    assert "0.9999" in text


def test_any_field_can_be_given_on_the_command_line(trained_by_command):
    recipe = json.loads((trained_by_command / "run.json").read_text())["recipe"]

    assert recipe["model"]["embed_dims"] == [16]
    assert recipe["augmentation"]["mixup_alpha"] == 0.8
    assert recipe["augmentation"]["horizontal_flip"] == 0.5  # the recipe's own
    assert recipe["epochs"] == 1


def test_wrong_data_gives_a_clear_error(tmp_path, capsys):
    assert main([*TRAIN, "--data", "imagenet", "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err.startswith("train: `data` must be")
    assert list(tmp_path.iterdir()) == []


def test_evaluate_scores_a_run_with_the_data_it_names(trained_by_command, tmp_path, capsys):
    assert main(["evaluate", str(trained_by_command), "--out", str(tmp_path / "report")]) == 0
    output = capsys.readouterr().out

    assert "top-1" in output
    assert "validation images" in output
    assert (tmp_path / "report" / "report.md").is_file()


@pytest.mark.parametrize(
    ("option", "name"),
    [("--out", "report"), ("--predictions", "rows.csv"), ("--json", "scores.json")],
)
def test_evaluate_names_a_full_disk_and_writes_nothing(
    trained_by_command, tmp_path, option, name, capsys
):
    path = tmp_path / "new" / name
    with files_of_at_most(64):
        assert main(["evaluate", str(trained_by_command), option, str(path)]) == 1
    assert "The disk is full, or the limit on the size of files" in capsys.readouterr().err
    assert not path.parent.exists()


def test_evaluate_compares_files(trained_by_command, folder, tmp_path, capsys):
    arguments = ["--data", f"folder:{folder}", "--split", "training"]
    scores = tmp_path / "scores.json"
    models = ["--compare", str(trained_by_command), str(trained_by_command / "model.keras")]
    assert main(["evaluate", *models, *arguments, "--json", str(scores)]) == 0

    first, second = json.loads(scores.read_text())
    assert first["top1"] == second["top1"]
    assert second["agreement"] == 1
    assert "same class as the first" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give a model to score"),
        (["nowhere"], "nowhere"),
        (["--compare", "a", "b", "--out", "c"], "--out is for one model"),
        (["a", "--predictions", "b.xlsx"], "must end in .csv. Received: b.xlsx"),
        (["a", "--json", "."], "--json must be a file. . is a folder"),
        (["--compare", "a.keras", "--json", "b.tflite"], "must end in .json. Received: b.tflite"),
        (["a", "--json", "/proc/scores.json"], "/proc/scores.json cannot be written"),
        (["a", "--out", "/proc/report"], "/proc/report"),
        (["a", "--batch-size", "0"], "`batch_size` must be an integer of at least 1."),
        (["--compare", "a", "b", "--batch-size", "-1"], "`batch_size` must be an integer"),
        (["a", "--crop", "0"], "`crop` must be above 0 and at most 1"),
        (["--compare", "a", "b", "--crop", "nan"], "`crop` must be above 0 and at most 1"),
    ],
)
def test_wrong_arguments_of_evaluate_give_a_clear_error(arguments, sentence, capsys):
    assert main(["evaluate", *arguments]) == 1
    assert sentence in capsys.readouterr().err


def test_show_batch_writes_a_picture(folder, tmp_path, capsys):
    path = tmp_path / "new" / "batch.png"
    arguments = ["--data", f"folder:{folder}", "--out", str(path), "--images", "10"]
    assert main(["show-batch", "--recipe", "fashion_mnist", *arguments, *OPTIONS[:-1]]) == 0

    assert "8 images of step 0" in capsys.readouterr().out
    with Image.open(path) as image:
        assert image.width > image.height
    assert [entry.name for entry in path.parent.iterdir()] == ["batch.png"]


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--step", "-1", "`step` must be 0 or more"),
        ("--seed", str(2**62), "`seed` must be an integer from 0 to 2**32 - 1"),
        ("--augmentation.horizontal-flip", "2", "`augmentation.horizontal_flip` must be a number"),
    ],
)
def test_show_batch_refuses_a_number_out_of_range(
    folder, tmp_path, option, value, sentence, capsys
):
    arguments = ["--data", f"folder:{folder}", "--out", str(tmp_path / "b.png"), option, value]

    assert main(["show-batch", "--recipe", "fashion_mnist", *arguments]) == 1
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


ADDRESS = "gs://bucket/x"


@pytest.mark.parametrize(
    "arguments",
    [
        [*TRAIN, "--data", "fashion_mnist", "--out", ADDRESS],
        [*TRAIN, "--data", f"folder:{ADDRESS}", "--out", "run"],
        ["evaluate", ADDRESS, "--data", "fashion_mnist"],
        ["evaluate", "--compare", "a", ADDRESS],
        ["evaluate", "model", "--out", ADDRESS],
        ["evaluate", "model", "--json", ADDRESS],
        ["publish", "run", "--out", ADDRESS],
        ["publish", "run", "--out", "published", "--description", ADDRESS],
        ["quickstart", "--out", ADDRESS],
        ["show-batch", "--recipe", "fashion_mnist", "--data", "elpv", "--out", ADDRESS],
        [
            *("train-in-memory", "--recipe", "fashion_mnist"),
            *("--images", ADDRESS, "--labels", "a.npy", "--out", "run"),
        ],
    ],
    ids=" ".join,
)
def test_addresses_are_refused_before_anything_is_written(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert f"must be a path on this computer. Received: {ADDRESS}. Mount the storage" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["gs://bucket/model.keras", "no such.keras"])
def test_initial_weights_that_are_not_there_are_refused_before_the_run(
    path, folder, tmp_path, capsys
):
    arguments = [*TRAIN, "--data", f"folder:{folder}", "--out", str(tmp_path / "run"), *OPTIONS]
    assert main([*arguments, "--model.initial-weights", path]) == 1
    assert f"{path}" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_scores_are_written_whatever_the_terminal_can_show(tmp_path, monkeypatch):
    score = ModelScore("猫", "Keras", 4, 0.5, None, 1.0, 0.1, 100, 0.001, None)
    result = SimpleNamespace(as_row=lambda: score, note="Of 猫.", notes=())
    monkeypatch.setattr("training.commands.evaluate.evaluate", lambda *_, **__: result)
    monkeypatch.setenv("HOME", str(tmp_path))
    terminal = io.TextIOWrapper(io.BytesIO(), "cp1252")
    monkeypatch.setattr(sys, "stdout", terminal)

    assert main(["evaluate", "model", "--json", "~/scores.json"]) == 0
    (written,) = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert written["model"] == "猫"
    assert rb"Of \u732b." in terminal.buffer.getvalue()


def test_scores_are_written_before_they_are_printed(tmp_path, monkeypatch):
    score = ModelScore("model", "Keras", 4, 0.5, None, 1.0, 0.1, 100, 0.001, None)
    result = SimpleNamespace(as_row=lambda: score, note="", notes=())
    monkeypatch.setattr("training.commands.evaluate.evaluate", lambda *_, **__: result)
    monkeypatch.setattr("training.commands.evaluate.score_table", lambda rows: 1 / 0)

    assert main(["evaluate", "model", "--json", str(tmp_path / "scores.json")]) == 1
    assert (tmp_path / "scores.json").is_file()
