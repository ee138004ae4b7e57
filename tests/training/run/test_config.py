"""The recipe and options of an earlier run as defaults."""

import dataclasses
import json
from pathlib import Path

import pytest
from tiny_runs import RECIPE

from training.recipes import RECIPES
from training.run.config import read_config


def write(folder, recipe=RECIPE, **changes):
    """Writes a run.json and returns its content."""
    run = {"recipe": dataclasses.asdict(recipe), "data": "elpv", "seed": 5, "split_seed": 1}
    folder.joinpath("run.json").write_text(json.dumps(run | changes))
    return run | changes


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_comes_back_from_its_record(tmp_path, name):
    write(tmp_path, RECIPES[name])

    assert read_config(tmp_path).recipe == RECIPES[name]


def test_options_are_those_that_hold_on_any_computer(tmp_path):
    write(tmp_path, strategy="tpu", deterministic=True, data_source="folder:/photographs")
    options = read_config(tmp_path / "run.json").options

    assert options == {
        "data": "folder:/photographs",
        "seed": 5,
        "split_seed": 1,
        "deterministic": True,
    }


def test_extension_is_extended_anew_from_the_same_run(tmp_path):
    """Validation images that were drawn anew could be among those that its start has learned."""
    write(tmp_path, extends={"run": "/runs/first", "epoch": 9, "added": 4, "removed": 0})

    assert read_config(tmp_path).options["extend"] == Path("/runs/first")


def test_fields_of_other_versions_are_defaults_or_named(tmp_path):
    run = write(tmp_path)
    del run["recipe"]["patience"], run["recipe"]["augmentation"]
    run["recipe"]["model"]["halo"] = 3
    (tmp_path / "run.json").write_text(json.dumps(run))
    config = read_config(tmp_path)

    assert config.recipe.patience is None
    assert config.recipe.augmentation == type(RECIPE.augmentation)()
    assert config.recipe.model == RECIPE.model
    (note,) = config.notes
    assert "does not know" in note
    assert note.endswith("no effect: recipe.model.halo.")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda recipe: recipe.update(epochs="many"), "recipe.epochs must be int. It is 'many'"),
        (lambda recipe: recipe.update(select="first"), "recipe.select must be"),
        (lambda recipe: recipe["model"].update(image_size=[32]), "recipe.model.image_size must be"),
        (lambda recipe: recipe.update(model=3), "recipe.model must be an object"),
        (lambda recipe: recipe["optimization"].clear(), "lacks recipe.optimization.learning_rate"),
        (lambda recipe: recipe.update(epochs=True), "recipe.epochs must be int"),
    ],
)
def test_damaged_settings_give_a_clear_error(tmp_path, change, sentence):
    run = write(tmp_path)
    change(run["recipe"])
    (tmp_path / "run.json").write_text(json.dumps(run))

    with pytest.raises(ValueError, match=r"run\.json .*") as error:
        read_config(tmp_path)
    assert sentence in str(error.value)


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"recipe": 1}'])
def test_other_files_give_a_clear_error(tmp_path, content):
    (tmp_path / "run.json").write_text(content)

    with pytest.raises(ValueError, match=r"run\.json is (damaged|not the run\.json of a run)"):
        read_config(tmp_path)


def test_missing_file_gives_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must be the run\.json of a run, or its folder"):
        read_config(tmp_path)


def test_runs_beside_a_missing_one_are_not_taken_for_its_seeds(tmp_path):
    (tmp_path / "seeds" / "seed_0").mkdir(parents=True)
    (tmp_path / "seeds" / "seed_0" / "run.json").write_text("{}")

    with pytest.raises(FileNotFoundError, match=r"It holds several runs: .*seed_0\."):
        read_config(tmp_path / "seeds")
    with pytest.raises(FileNotFoundError, match=r"There is no \S*gone\.$"):
        read_config(tmp_path / "seeds" / "gone")


def test_data_of_tensorflow_datasets_is_opened_by_the_name_it_was_given(tmp_path):
    for data, source, opened in (
        ("tfds:cifar10[:50%]", "tfds:cifar10/3.0.2", "tfds:cifar10[:50%]"),
        ("folder:photos", "folder:/data/photos", "folder:/data/photos"),
    ):
        write(tmp_path, data=data, data_source=source)
        assert read_config(tmp_path).options["data"] == opened
