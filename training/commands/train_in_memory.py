"""`python -m training train-in-memory`: trains on an accelerator that holds all images."""

import dataclasses
from typing import Annotated

import tyro

from training.commands.parsing import parsed
from training.commands.recipe_name import recipe_name
from training.recipes import RECIPES
from training.recipes.recipe import Recipe
from training.train_in_memory import InMemoryOptions, train_in_memory


@dataclasses.dataclass(frozen=True)
class TrainInMemory:
    """All options of the command.

    Attributes:
        options: options of the run besides its recipe.
        recipe: every field can be changed.
    """

    options: Annotated[InMemoryOptions, tyro.conf.arg(name="")]
    recipe: Annotated[Recipe, tyro.conf.arg(name="")]


def run(arguments: list[str]) -> None:
    """Trains a model.

    Args:
        arguments: list of strings, those after `train-in-memory`.
    """
    name, others = recipe_name("train-in-memory", arguments)
    missing = InMemoryOptions(tyro.MISSING, tyro.MISSING, tyro.MISSING)
    command = parsed(
        TrainInMemory,
        f"train-in-memory --recipe {name}",
        others,
        description="Trains with JAX on one accelerator that holds all images in its memory.",
        default=TrainInMemory(missing, RECIPES[name]),
    )
    folder = train_in_memory(command.recipe, command.options)
    print(f"The weights are in {folder / 'model.weights.h5'}.")
