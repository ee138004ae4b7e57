"""`python -m training show-batch`: draws augmented images, as the model sees them."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from keras_cabvit.figures.fonts import drawing_note
from training.commands.parsing import parsed
from training.commands.recipe_name import recipe_name
from training.data.opening import check_outside, open_data_set
from training.recipes import RECIPES
from training.recipes.checks import check_recipe
from training.recipes.recipe import Recipe
from training.show_batch import show_batch


@dataclasses.dataclass(frozen=True)
class ShowBatchOptions:
    """The images to draw.

    Attributes:
        data: "tfds:NAME", "folder:PATH", "fashion_mnist" or "elpv".
        out: PNG file to write.
        step: the batch of the training run, counted from 0.
        images: the number of its images.
        seed: seed of the run.
        split_seed: seed of the split into training and validation images.
        labels: table with the columns file, class and optionally split, for a folder's images.
    """

    data: str
    out: Path = Path("batch.png")
    step: int = 0
    images: int = 32
    seed: int = 0
    split_seed: int = 0
    labels: Annotated[Path | None, tyro.conf.arg(name="data.labels")] = None


@dataclasses.dataclass(frozen=True)
class ShowBatch:
    """All options of the command.

    Attributes:
        options: the images to draw.
        recipe: every field can be changed.
    """

    options: Annotated[ShowBatchOptions, tyro.conf.arg(name="")]
    recipe: Annotated[Recipe, tyro.conf.arg(name="")]


def run(arguments: list[str]) -> None:
    """Draws a batch.

    Args:
        arguments: list of strings, those after `show-batch`.
    """
    name, others = recipe_name("show-batch", arguments)
    command = parsed(
        ShowBatch,
        f"show-batch --recipe {name}",
        others,
        description="Draws augmented images with their labels, as a training run sees them.",
        default=ShowBatch(ShowBatchOptions(tyro.MISSING), RECIPES[name]),
    )
    options, recipe = command.options, command.recipe
    check_outside(options.data, options.out)
    check_recipe(recipe)
    data_set = open_data_set(
        options.data,
        recipe.validation_share,
        options.split_seed,
        group_duplicates=recipe.group_duplicates,
        labels=options.labels,
    )
    drawn = show_batch(
        data_set.training, recipe, options.out, options.seed, options.step, options.images
    )
    print(f"{options.out} shows {drawn} images of step {options.step:,}.")
    if note := drawing_note(data_set.class_names):
        print(note)
