"""The command `python -m training`."""

import argparse
import dataclasses
import os
import signal
import sys
from pathlib import Path


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of strings; None takes the process's own.

    Returns:
        The exit status: 0; 1 after a sentence on standard error; 130 when interrupted.
    """
    # TensorFlow reports on the processor at every start, which is nobody's question here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A polite kill ends like Ctrl-C: what is half written is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except KeyboardInterrupt:
        print(f"\n{options.command}: interrupted; nothing half written is left.", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError, ArithmeticError) as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m training", description="Trains CabViT models.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    quickstart = commands.add_parser(
        "quickstart",
        help="train a small CabViT on 5,000 shipped images, export it and score every form",
    )
    quickstart.add_argument(
        "--out",
        type=Path,
        default=Path("saved_models/quickstart"),
        metavar="FOLDER",
        help="folder to write; saved_models/quickstart by default",
    )
    quickstart.add_argument(
        "--epochs", type=_positive, help="passes over the training images; the recipe's by default"
    )
    quickstart.add_argument("--seed", type=int, default=0, help="0 by default")
    quickstart.set_defaults(run=_quickstart)
    return parser


def _positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, not {text!r}")
    return int(text)


def _quickstart(options):
    from training.quickstart import quickstart
    from training.recipes.quickstart import QUICKSTART

    recipe = QUICKSTART
    if options.epochs:
        recipe = dataclasses.replace(
            recipe,
            epochs=options.epochs,
            warmup_epochs=min(recipe.warmup_epochs, options.epochs - 1),
        )
    quickstart(options.out, recipe, options.seed)


if __name__ == "__main__":
    sys.exit(main())
