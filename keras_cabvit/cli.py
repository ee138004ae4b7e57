"""The `cabvit` command: parses arguments, calls the library, prints."""

import argparse
import contextlib
import importlib
import sys

from keras_cabvit.atomic_files import DISK_FULL, is_disk_full
from keras_cabvit.commands import training_program
from keras_cabvit.signals import orderly_shutdown
from keras_cabvit.tensorflow_log import quiet_tensorflow
from keras_cabvit.terminal import output_that_never_fails

# Each has a module in keras_cabvit/commands.
COMMANDS = (
    *("summary", "convert", "convert-images", "predict", "explain", "export", "verify"),
    *("client", "push", "demo"),
)
# These start without Keras, which takes seconds to import.
_WITHOUT_KERAS = ("client", "convert-images")


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of strings, or None for the command line's.

    Returns:
        The exit status: 0 on success; 1 if the library refused or could not finish, with a message
        on standard error; 2 for wrong arguments; 130 after Ctrl-C or SIGTERM.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    without_keras = arguments and arguments[0] in _WITHOUT_KERAS
    log = contextlib.nullcontext() if without_keras else quiet_tensorflow()
    with log, output_that_never_fails():
        return _run(arguments)


def _run(arguments):
    if arguments and arguments[0] in training_program.COMMANDS:
        print(f"cabvit: {training_program.explanation(arguments[0])}", file=sys.stderr)
        return 2
    command = arguments[0] if arguments and arguments[0] in COMMANDS else None
    name = "cabvit" if command is None else f"cabvit {command}"
    try:
        return _status(command, name, arguments)
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted.", file=sys.stderr)
        return 130


def _status(command, name, arguments):
    try:
        # SIGTERM ends the process as Ctrl-C does, so that half-written files are removed.
        with orderly_shutdown():
            options = _parser(COMMANDS if command is None else (command,)).parse_args(arguments)
            if command not in _WITHOUT_KERAS:
                register_layers()
            return options.run(options) or 0
    except (ValueError, OSError, ImportError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except Exception as error:  # TensorFlow has its own classes of errors
        if not is_disk_full(error):
            raise
        print(f"{name}: {DISK_FULL}", file=sys.stderr)
        return 1


def register_layers():
    """Registers the layers of all models with Keras, as `import keras_cabvit` does elsewhere."""
    for package in ("layers", "inference"):
        importlib.import_module(f"keras_cabvit.{package}")


def _parser(names=COMMANDS):
    """Creates the parser of some commands; importing the others would take time."""
    parser = argparse.ArgumentParser(
        prog="cabvit",
        description="CabViT models: their sizes, converting PyTorch checkpoints and photographs, "
        "classifying image files and drawing what a model looks at in one, exporting and checking "
        "models, querying a server, and showing a model on a page.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names:
        module = importlib.import_module(f"keras_cabvit.commands.{name.replace('-', '_')}")
        module.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
