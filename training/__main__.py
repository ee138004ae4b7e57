"""The command `python -m training`."""

import importlib
import sys

import cabvit_program  # noqa: F401 (marks this process as a program)
from keras_cabvit.atomic_files import DISK_FULL, is_disk_full
from keras_cabvit.cli import register_layers
from keras_cabvit.signals import orderly_shutdown
from keras_cabvit.tensorflow_log import quiet_tensorflow
from keras_cabvit.terminal import output_that_never_fails
from training.run.interrupted import Interrupted

# Each has a module in training/commands, imported when it is called.
COMMANDS = {
    "quickstart": "train a small CabViT on 5,000 shipped images, export it and score every form",
    "train": "train a recipe on ImageNet, a folder of photographs or another data set",
    "train-in-memory": "train on small images with JAX on one GPU, without TensorFlow",
    "evaluate": "score trained models in any form, alone or side by side",
    "publish": "write a finished run's model in half the size, with a model card",
    "show-batch": "draw a batch of augmented images, as the model sees them",
    "compile-tpu": "compile the training step for a TPU topology, without a TPU",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: list of strings; None takes those of the process.

    Returns:
        The exit status: 0; 1 after an error message on standard error; 2 for wrong arguments; 128
        plus the signal's number when a signal stopped training and its state is in a checkpoint;
        130 when a signal ended anything else.
    """
    with quiet_tensorflow(), output_that_never_fails():
        return _run(sys.argv[1:] if arguments is None else arguments)


def _run(arguments: list[str]) -> int:
    name, *others = arguments or ["--help"]
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name not in COMMANDS:
        print(f"There is no command {name!r}.\n\n{_help()}", file=sys.stderr)
        return 2
    try:
        return _status(name, others)
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; no half-written files are left.", file=sys.stderr)
        if name == "train":
            print("The same command resumes from the last checkpoint, if any.", file=sys.stderr)
        return 130


def _status(name: str, arguments: list[str]) -> int:
    try:
        # SIGTERM is handled like Ctrl-C: half-written files are removed. Importing TensorFlow
        # takes seconds, during which either may come.
        with orderly_shutdown():
            register_layers()
            command = importlib.import_module(f"training.commands.{name.replace('-', '_')}")
            command.run(arguments)
    except (ValueError, OSError, ImportError, ArithmeticError, MemoryError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except Interrupted as stop:
        print(f"\n{name}: {stop}", file=sys.stderr)
        return 128 + stop.signal
    except Exception as error:  # TensorFlow has its own classes of errors
        if not is_disk_full(error):
            raise
        print(f"{name}: {DISK_FULL}", file=sys.stderr)
        return 1
    return 0


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python -m training COMMAND ...",
            "",
            "Trains CabViT models. `python -m training COMMAND --help` says more.",
            "",
            *lines,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
