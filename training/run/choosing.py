"""Fields of a recipe that a run chooses, or chose when it began."""

import functools
import math
import os
import time
from dataclasses import dataclass

from training.data.data_set import DataSet
from training.devices.strategies import Placement
from training.recipes.choice import Images, Time, choose
from training.recipes.dotted import field_of, with_fields
from training.recipes.recipe import Recipe
from training.report.markdown import table
from training.run.config import read_config
from training.run.training_rate import training_rate


@dataclass(frozen=True)
class Choice:
    """Fields of a recipe that are left to the run.

    Attributes:
        fields: dotted names from `training.recipes.choice.FIELDS`.
        minutes: time allowed for the whole run on this computer; None sets no limit.
    """

    fields: frozenset[str]
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise ValueError(f"`minutes` must be above 0 and finite. Received: {self.minutes}")


def chosen_recipe(
    recipe: Recipe,
    choice: Choice,
    data_set: DataSet,
    placement: Placement,
    started: float,
    reduced_copies: bool = True,
) -> Recipe:
    """Chooses fields of a recipe, and prints them.

    Args:
        recipe: `Recipe`.
        choice: `Choice`.
        data_set: `DataSet`.
        placement: `Placement`.
        started: float, the reading of `time.monotonic()` from which the minutes count.
        reduced_copies: whether training will read reduced copies of large photographs.

    Raises:
        ValueError: as `choose`; or several processes would measure different rates.
    """
    images = Images(
        data_set.training.size,
        data_set.validation.size,
        data_set.image_sizes.shorter_side,
    )
    allowed, text = None, ""
    if choice.minutes is not None:
        if placement.share.count > 1:
            raise ValueError(
                "`minutes` is measured by one process: with several hosts give --epochs."
            )
        print("Measuring how fast this computer trains ...", flush=True)
        end = started + 60 * choice.minutes
        rate = functools.partial(
            training_rate,
            data_set=data_set,
            placement=placement,
            reduced_copies=reduced_copies,
        )
        allowed, text = (
            Time(lambda: end - time.monotonic(), rate),
            f" and {choice.minutes:g} minutes",
        )
    fields = choice.fields
    if placement.replicas > 1:
        fields -= {"batch_size"}  # it must divide by the devices
    recipe, chosen = choose(recipe, fields, images, allowed)
    if placement.share.is_first and chosen:
        rows = [[_option(each.name), _text(each.value), each.reason] for each in chosen]
        classes = len(data_set.class_names)
        print(
            f"Chosen for {images.training:,} training images of {classes:,} classes{text}; any "
            f"option that is given stays:\n\n{table(['option', 'value', 'because'], rows, 3)}\n",
            flush=True,
        )
    return recipe


def resumed_recipe(recipe: Recipe, choice: Choice, folder: str | os.PathLike) -> Recipe:
    """Returns a recipe with what the run in a folder chose when it began.

    Args:
        recipe: `Recipe`.
        choice: `Choice`.
        folder: the run's folder, with its run.json.
    """
    earlier = read_config(folder).recipe
    return with_fields(recipe, {name: field_of(earlier, name) for name in choice.fields})


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
