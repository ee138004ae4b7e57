"""A clear error for commands of the training program, which `cabvit` does not have."""

import importlib.machinery
import os
import sys
from pathlib import Path

# As `python -m training --help` lists them.
COMMANDS = (
    "quickstart",
    "train",
    "train-in-memory",
    "evaluate",
    "publish",
    "show-batch",
    "compile-tpu",
)


def explanation(command):
    """Says how to run a command of the training program.

    Args:
        command: string, one of `COMMANDS`.

    Returns:
        Sentences, with the module `training` that Python would find here.
    """
    return (
        f"`{command}` is a command of the training program, which is part of the repository and "
        'not of the installed package: in a checkout, run `pip install -e ".[train]"` and '
        f"`python -m training {command}`. {_found()}"
    )


def _found():
    folder = os.getcwd()
    spec = importlib.machinery.PathFinder.find_spec("training", [folder, *sys.path])
    if spec is None:
        return "There is no module `training` here."
    place = spec.origin or next(iter(spec.submodule_search_locations))
    if (Path(place).parent / "recipes" / "recipe.py").is_file():
        return f"Here that runs {Path(place).parent}."
    if Path(place).is_relative_to(folder):
        return (
            f"Here `training` is another module, {place}. `python -P -m training` passes over "
            "the modules in the working folder."
        )
    return f"Here `training` is another module, {place}: start the command in the checkout."
