"""The option --recipe, which sets the defaults of all the others.

`train` fine-tunes unless it is given: that is what a folder of photographs needs.
"""

import argparse
import sys

from training.recipes import RECIPES


def recipe_name(command: str, arguments: list[str]) -> tuple[str, list[str]]:
    """Splits --recipe from the other arguments, whose defaults it sets.

    Args:
        command: string, the subcommand's name.
        arguments: list of strings, those after it.

    Returns:
        The name, and a list of the other arguments.
    """
    default = "finetune" if command == "train" else None
    named = names_recipe(arguments)
    parser = argparse.ArgumentParser(
        prog=f"python -m training {command}",
        description=sys.modules[f"training.commands.{command.replace('-', '_')}"].__doc__,
        epilog=f"`python -m training {command} --recipe NAME --help` lists all other options.",
        add_help=not named,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--recipe",
        choices=sorted(RECIPES),
        default=default,
        required=default is None,
        help="the model and its training" + (f"; by default {default}" if default else ""),
    )
    known, others = parser.parse_known_args(arguments)
    return known.recipe, others


def names_recipe(arguments: list[str]) -> bool:
    """Returns whether --recipe is among arguments."""
    return any(argument.split("=")[0] == "--recipe" for argument in arguments)
