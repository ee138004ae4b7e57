import json

import pytest
from PIL import Image
from tiny_runs import OPTIONS

from training.__main__ import COMMANDS, main

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


@pytest.mark.parametrize("command", ["train", "show-batch"])
def test_recipe_must_be_named(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--data", "fashion_mnist"])

    assert stop.value.code == 2
    assert "--recipe" in capsys.readouterr().err


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


def test_show_batch_refuses_a_step_before_the_first(folder, tmp_path, capsys):
    arguments = ["--data", f"folder:{folder}", "--out", str(tmp_path / "b.png"), "--step", "-1"]

    assert main(["show-batch", "--recipe", "fashion_mnist", *arguments]) == 1
    assert "`step` must be 0 or more" in capsys.readouterr().err
