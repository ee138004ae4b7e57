"""`python -m training train`: trains a recipe on data."""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from training.commands.parsing import parsed
from training.commands.recipe_name import names_recipe, recipe_name
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
    if known.config is not None:
        return read_config(known.config), others
    parser.add_argument("--extend", type=Path)
    extend = parser.parse_known_args(arguments)[0].extend
    if extend is None or names_recipe(arguments):
        return None, others
    return read_config(extend, "extend"), others
