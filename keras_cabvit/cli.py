"""The `cabvit` command: parses arguments, calls the library, prints."""

import argparse
import sys

from keras_cabvit.commands import (
    client,
    convert,
    convert_images,
    export,
    predict,
    summary,
    training_program,
    verify,
)
from keras_cabvit.signals import end_in_order
from keras_cabvit.terminal import output_that_never_fails


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of strings, or None for the command line's.

    Returns:
        The exit status: 0 on success; 1 if the library refused or could not finish, with a message
        on standard error; 2 for wrong arguments; 130 after Ctrl-C or SIGTERM.
    """
    with output_that_never_fails():
        return _run(arguments)


def _run(arguments):
    # SIGTERM ends the process as Ctrl-C does, so that half-written files are removed.
    end_in_order()
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in training_program.COMMANDS:
        print(f"cabvit: {training_program.explanation(arguments[0])}", file=sys.stderr)
        return 2
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        print(f"\ncabvit {options.command}: interrupted.", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        print(f"cabvit {options.command}: {error}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(
        prog="cabvit",
        description="CabViT models: their sizes, converting PyTorch checkpoints and photographs, "
        "classifying image files, exporting and checking models, and querying a server.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (summary, convert, convert_images, predict, export, verify, client):
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
