"""`python -m training train`: trains a recipe on data."""

import dataclasses
import sys
from typing import Annotated

import tyro

from training.commands.parsing import parsed
from training.commands.recipe_name import recipe_name
from training.devices.hosts import Hosts
from training.recipes import RECIPES
from training.recipes.recipe import Recipe
from training.run.options import TrainOptions
from training.train import train


@dataclasses.dataclass(frozen=True)
class Train:
    """All options of the command.

    Attributes:
        options: options of the run besides its recipe.
        recipe: every field can be changed.
        hosts: addresses by which several processes find each other, on the JAX backend.
    """

    options: Annotated[TrainOptions, tyro.conf.arg(name="")]
    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    hosts: Hosts = dataclasses.field(default_factory=Hosts)


def run(arguments: list[str]) -> None:
    """Trains a model.

    Args:
        arguments: list of strings, those after `train`.
    """
    name, others = recipe_name("train", arguments)
    command = parsed(
        Train,
        f"train --recipe {name}",
        others,
        description=sys.modules[f"training.recipes.{name}"].__doc__,
        default=Train(TrainOptions(tyro.MISSING, tyro.MISSING), RECIPES[name]),
    )
    train(command.recipe, command.options, command.hosts)
