"""`python -m training show-batch`: draws augmented images, as the model sees them."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from training.commands.train import recipe_name
from training.data.data_set import open_data_set
from training.recipes import RECIPES
from training.recipes.recipe import Recipe
from training.show_batch import show_batch


@dataclasses.dataclass(frozen=True)
class ShowBatchOptions:
    """What is drawn.

    Attributes:
        data: "tfds:NAME", "folder:PATH", "fashion_mnist" or "elpv".
        out: PNG file to write.
        step: which batch of the training run, counted from 0.
        images: how many of its images.
        seed: of the run.
        split_seed: of the cut between training and validation images.
    """

    data: str
    out: Path = Path("batch.png")
    step: int = 0
    images: int = 32
    seed: int = 0
    split_seed: int = 0


@dataclasses.dataclass(frozen=True)
class ShowBatch:
    """All options of the command.

    Attributes:
        options: what is drawn.
        recipe: of which every field can be changed.
    """

    options: Annotated[ShowBatchOptions, tyro.conf.arg(name="")]
    recipe: Annotated[Recipe, tyro.conf.arg(name="")]


def run(arguments):
    """Draws a batch.

    Args:
        arguments: list of strings, what stands after `show-batch`.
    """
    name, others = recipe_name("show-batch", arguments)
    command = tyro.cli(
        ShowBatch,
        args=others,
        prog=f"python -m training show-batch --recipe {name}",
        description="Draws augmented images with their labels, as a training run sees them.",
        default=ShowBatch(ShowBatchOptions(tyro.MISSING), RECIPES[name]),
    )
    options, recipe = command.options, command.recipe
    data_set = open_data_set(options.data, recipe.validation_share, options.split_seed)
    drawn = show_batch(
        data_set.training, recipe, options.out, options.seed, options.step, options.images
    )
    print(f"{options.out} shows {drawn} images of step {options.step:,}.")
