"""Options that several exporters take, and their checks."""

import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec

from keras_cabvit.layers.numpy_arguments import is_positive_integer
from keras_cabvit.runtimes.pixel_scale import note_on_pixels

P = ParamSpec("P")

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


def warns_of_pixels(export: Callable[P, Path]) -> Callable[P, Path]:
    """Decorates an exporter `export(model, path, **options)` to warn after exporting some models.

    They are those that use their pixels as they are: an export states pixels in [0, 255], and
    whoever opens it can no longer tell.

    Args:
        export: function that returns the path of what it wrote.
    """

    @functools.wraps(export)
    def wrapper(*arguments: P.args, **options: P.kwargs) -> Path:
        path = export(*arguments, **options)
        given: dict[str, Any] = inspect.signature(export).bind(*arguments, **options).arguments
        model = given["model"]
        for note in note_on_pixels(model, f"Model '{model.name}'"):
            warnings.warn(note, stacklevel=2)
        return path

    return wrapper
