"""`python -m training quickstart`: trains a small model on shipped images and exports it."""

import dataclasses
from pathlib import Path

from training.commands.parsing import parsed
from training.quickstart import DEFAULT_FOLDER, quickstart
from training.recipes.quickstart import QUICKSTART


@dataclasses.dataclass(frozen=True)
class Quickstart:
    """Trains a small CabViT on 5,000 shipped images, exports it and scores every form.

    Attributes:
        out: folder to write.
        epochs: passes over the training images; the recipe's by default.
        seed: seed of the initial weights, the held-out images, their order and flips.
    """

    out: Path = DEFAULT_FOLDER
    epochs: int | None = None
    seed: int = 0


def run(arguments: list[str]) -> None:
    """Runs the quickstart.

    Args:
        arguments: list of strings, those after `quickstart`.
    """
    options = parsed(Quickstart, "quickstart", arguments)
    recipe = QUICKSTART
    if options.epochs is not None:
        if options.epochs < 1:
            raise ValueError(f"--epochs must be a positive whole number, not {options.epochs}.")
        warmup = min(recipe.optimization.warmup_epochs, options.epochs - 1)
        recipe = dataclasses.replace(
            recipe,
            epochs=options.epochs,
            optimization=dataclasses.replace(recipe.optimization, warmup_epochs=warmup),
        )
    quickstart(options.out, recipe, options.seed)
