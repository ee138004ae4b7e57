"""`python -m training train`: trains a recipe on data."""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from keras_cabvit.paths import local_path
from training.commands.parsing import parsed
from training.commands.recipe_name import names_recipe, recipe_name
from training.data.opening import check_still_there, same_place
from training.devices.hosts import Hosts
from training.recipes import RECIPES
from training.recipes.choice import FIELDS
from training.recipes.recipe import Recipe
from training.run.choosing import Choice
from training.run.config import Config, read_config
from training.run.options import TrainOptions
from training.seeds import train_seeds
from training.train import train


@dataclasses.dataclass(frozen=True)
class Options(TrainOptions):
    """`TrainOptions` by their names on the command line."""

    labels: Annotated[Path | None, tyro.conf.arg(name="data.labels")] = None


@dataclasses.dataclass(frozen=True)
class Train:
    """All options of the command.

    Attributes:
        options: options of the run besides its recipe.
        recipe: every field can be changed.
        hosts: addresses by which several processes find each other, on the JAX backend.
        seeds: train a run for each of these seeds in OUT/seed_N, one after the other, and write the
            mean and standard deviation of their scores; instead of --seed.
        minutes: time allowed for each run on this computer, which chooses the epochs; and the image
            size in a run that fine-tunes. Of several seeds the first chooses, for all.
    """

    options: Annotated[Options, tyro.conf.arg(name="")]
    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    hosts: Hosts = dataclasses.field(default_factory=Hosts)
    seeds: tuple[int, ...] = ()
    minutes: float | None = None


def run(arguments: list[str]) -> None:
    """Trains a model.

    Args:
        arguments: list of strings, those after `train`.
    """
    config, others = _config(arguments)
    fields: frozenset[str] = frozenset()
    options: dict[str, Any] = {"data": tyro.MISSING, "out": tyro.MISSING}
    if config is None:
        name, others = recipe_name("train", others)
        recipe, given = RECIPES[name], f"train --recipe {name}"
        description = sys.modules[f"training.recipes.{name}"].__doc__
        if name == "finetune":
            fields = frozenset(FIELDS) - _given(others)
    else:
        if names_recipe(others):
            raise ValueError(
                "Give --recipe or the recipe of another run (--config, --extend), not both."
            )
        recipe, given = config.recipe, "train --config RUN"
        description = "Trains with the recipe and options of another run."
        options |= config.options
        for note in config.notes:
            print(note)
    command = parsed(
        Train,
        given,
        others,
        description=description,
        default=Train(Options(**options), recipe),
    )
    if config is not None and "data" not in _given(others):
        check_still_there(command.options.data, command.options.labels)
    if command.options.extend is not None and "model.initial_weights" in _given(others):
        raise ValueError(
            "Give --extend, which starts from the model of a run, or --model.initial-weights, not "
            "both."
        )
    if command.minutes is not None:
        if "epochs" not in _given(others):
            fields |= {"epochs"}
        elif "model.image_size" not in fields:
            raise ValueError("Give --minutes, which chooses the epochs, or --epochs, not both.")
    choice = Choice(fields, command.minutes) if fields else None
    run_options = TrainOptions(**vars(command.options))
    if not command.seeds:
        train(command.recipe, run_options, command.hosts, choice=choice)
        return
    if command.hosts != Hosts():
        raise ValueError("--seeds trains in one process: start each seed by itself on the hosts.")
    text = train_seeds(command.recipe, run_options, command.seeds, choice=choice, train_one=train)
    print(f"\n{text}")


def _given(arguments: list[str]) -> frozenset[str]:
    """Returns the dotted names of the fields that arguments set."""
    return frozenset(
        argument.removeprefix("--").split("=")[0].replace("-", "_")
        for argument in arguments
        if argument.startswith("--")
    )


def _config(arguments: list[str]) -> tuple[Config | None, list[str]]:
    """Returns the settings of the run that --config or --extend names, and the other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path)
    known, others = parser.parse_known_args(arguments)
    parser.add_argument("--extend", type=Path)
    parser.add_argument("--out", type=Path)
    places = parser.parse_known_args(arguments)[0]
    if known.config is not None:
        return _settings(known.config, "config", places.out), others
    if places.extend is None or names_recipe(arguments):
        return None, others
    config = _settings(places.extend, "extend", places.out)
    # How that run took over a classifier says nothing of how this one takes over that run's.
    model = dataclasses.replace(config.recipe.model, initial_classifier=None)
    return dataclasses.replace(
        config, recipe=dataclasses.replace(config.recipe, model=model)
    ), others


def _settings(source: Path, option: str, out: Path | None) -> Config:
    """Returns the settings of a run, or if it is gone, of the run in OUT that began with them."""
    try:
        return read_config(source, option)
    except FileNotFoundError:
        runs = [] if out is None else _runs_in(local_path(out, "out"))
        configs = [(folder, read_config(folder, "out")) for folder in runs]
        for folder, config in configs:
            extended = config.options.get("extend")
            if option == "config" or (extended and same_place(str(extended), str(source))):
                note = f"{source} is gone: the settings are those with which {folder} began."
                return dataclasses.replace(config, notes=(*config.notes, note))
        raise


def _runs_in(folder: Path) -> list[Path]:
    """Returns the folders of the run in a folder, or of its runs with several seeds."""
    folders = [folder, *sorted(folder.glob("seed_*"))]
    return [each for each in folders if (each / "run.json").is_file()]
