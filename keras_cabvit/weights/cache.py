"""The local cache of weight files."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from keras_cabvit.paths import local_path


class WeightsDownloadError(OSError):
    """A weights file could not be fetched, is not the right one, or could not be stored."""


def cache_folder() -> Path:
    """Returns the folder of the weight files, which may not exist yet.

    Returns:
        `$KERAS_CABVIT_HOME` if it is set, otherwise `$KERAS_HOME/models` if that is set, otherwise
        `~/.keras/models`, as a `pathlib.Path`.

    Raises:
        OSError: neither is set, and there is no home folder.
    """
    if home := os.environ.get("KERAS_CABVIT_HOME"):
        return local_path(home, "KERAS_CABVIT_HOME")
    if keras_home := os.environ.get("KERAS_HOME"):
        return local_path(keras_home, "KERAS_HOME") / "models"
    try:
        return Path.home() / ".keras" / "models"
    except RuntimeError as error:
        raise OSError(
            "There is no home folder for weight files: set KERAS_CABVIT_HOME to a folder."
        ) from error


def weights_file_name(variant: str) -> str:
    """Returns the file name of the ImageNet weights of `variant`, such as `CabViTH_S`."""
    return f"{variant}_imagenet.weights.h5"


def weights_path(variant: str) -> Path:
    """Returns the path of the ImageNet weights of `variant`, which may not exist yet."""
    return cache_folder() / weights_file_name(variant)


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Converts an OSError of the `with` block to a WeightsDownloadError that says what to do.

    Args:
        folder: the folder that the block writes to.

    Raises:
        WeightsDownloadError: the block raises an OSError.
    """
    try:
        yield
    except WeightsDownloadError:
        raise
    except OSError as error:
        raise WeightsDownloadError(
            f"The weights cannot be stored in {folder}: {error.strerror or error}. Free up space "
            "or grant write permission there, or set KERAS_CABVIT_HOME to another folder."
        ) from error
