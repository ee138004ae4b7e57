"""Options that several exporters take, and their checks."""

from collections.abc import Sequence
from pathlib import Path

from keras_cabvit.layers.numpy_arguments import is_positive_integer

# Types of the pixels that a file of one model may take.
INPUT_TYPES = ("uint8", "float32")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raises ValueError if an option is not one of the choices."""
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {choices}. Received: {name}={value!r}")


def check_batch_size(batch_size: int | None) -> None:
    """Raises ValueError if the size of a batch, which may be None, is no positive integer."""
    if batch_size is not None and not is_positive_integer(batch_size):
        raise ValueError(
            "`batch_size` must be a positive integer, or None for a batch of any size. "
            f"Received: batch_size={batch_size!r}"
        )


def check_suffix(path: Path, suffix: str) -> None:
    """Raises ValueError if the path of a file to write has another ending."""
    if path.suffix != suffix:
        raise ValueError(f"`path` must end in {suffix}. Received: path={str(path)!r}")
