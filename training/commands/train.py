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
from training.recipes.recipe import Recipe
from training.run.config import Config, read_config
from training.run.options import TrainOptions
from training.seeds import train_seeds
from training.train import train


@dataclasses.dataclass(frozen=True)
class Train:
    """All options of the command.

    Attributes:
        options: options of the run besides its recipe.
        recipe: every field can be changed.
        hosts: addresses by which several processes find each other, on the JAX backend.
        seeds: train a run for each of these seeds in OUT/seed_N, one after the other, and write the
            mean and standard deviation of their scores; instead of --seed.
    """

    options: Annotated[TrainOptions, tyro.conf.arg(name="")]
    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    hosts: Hosts = dataclasses.field(default_factory=Hosts)
    seeds: tuple[int, ...] = ()


def run(arguments: list[str]) -> None:
    """Trains a model.

    Args:
        arguments: list of strings, those after `train`.
    """
    config, others = _config(arguments)
    options: dict[str, Any] = {"data": tyro.MISSING, "out": tyro.MISSING}
    if config is None:
        name, others = recipe_name("train", others)
        recipe, given = RECIPES[name], f"train --recipe {name}"
        description = sys.modules[f"training.recipes.{name}"].__doc__
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
        default=Train(TrainOptions(**options), recipe),
    )
    if not command.seeds:
        train(command.recipe, command.options, command.hosts)
        return
    if command.hosts != Hosts():
        raise ValueError("--seeds trains in one process: start each seed by itself on the hosts.")
    print("\n" + train_seeds(command.recipe, command.options, command.seeds, train_one=train))


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
    return read_config(extend), others
