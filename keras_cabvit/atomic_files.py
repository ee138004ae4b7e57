"""Files and folders that appear complete, or not at all."""

import contextlib
import glob
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

# A leftover that has not been written to for this long belongs to a process that was killed.
_ABANDONED_SECONDS = 24 * 3600
# Marks a folder that `atomic_folder` wrote, so that a user's own folder is never replaced.
_MARK = ".complete"


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path for a file or a new folder, renamed to `path` when the block ends.

    The temporary path has a hidden name beside `path` with the same suffix, and a file at `path`
    is unchanged until the block ends. An error, Ctrl-C or SystemExit removes the temporary file;
    a killed process's leftover is removed by a call for the same `path` at least a day later.

    Args:
        path: path of the file or folder to write. An existing file is replaced; missing parent
            folders are created.

    Yields:
        The `pathlib.Path` to write to.

    Raises:
        OSError: it cannot be written. A file at `path` is unchanged.

    Example:
        >>> import tempfile
        >>> from keras_cabvit.atomic_files import atomic_path
        >>> path = tempfile.mkdtemp() + "/labels.txt"
        >>> with atomic_path(path) as partial:
        ...     length = partial.write_text("cat")
        >>> open(path).read()
        'cat'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, glob.escape(path.name))
    # Two processes, or two threads, may write the same file at once.
    partial = path.with_name(f".partial-{os.getpid()}-{time.monotonic_ns()}.{path.name}")
    try:
        yield partial
        if partial.is_file():
            # Without this, a power cut may leave an empty file under the new name.
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        _remove(partial)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary folder to write into, renamed to `path` when the block ends.

    Unlike `atomic_path`, it replaces an existing folder, provided that this function wrote it. The
    earlier folder stays until the block ends. An error, Ctrl-C or SystemExit removes the temporary
    folder.

    Args:
        path: path of the folder to write.

    Yields:
        The `pathlib.Path` of an empty folder.

    Raises:
        ValueError: `path` is a file, or a folder that this function did not write.
    """
    path = Path(path).resolve()
    if path.exists() and not (path / _MARK).is_file():
        raise ValueError(
            f"{path} already exists and was not written by this command. Choose another folder, "
            "or remove it."
        )
    # Named so that `remove_abandoned` finds it too, should this process be killed.
    replaced = path.with_name(f".partial-{os.getpid()}-replaced.{path.name}")
    try:
        with atomic_path(path) as partial:
            partial.mkdir()
            yield partial
            (partial / _MARK).touch()
            if path.exists():
                os.replace(path, replaced)
    finally:
        shutil.rmtree(replaced, ignore_errors=True)


def write_text_atomically(path: str | os.PathLike, text: str) -> None:
    """Writes a text file completely or not at all; an existing file is replaced.

    Args:
        path: path of the file.
        text: string, written as UTF-8.
    """
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def remove_abandoned(
    folder: str | os.PathLike, pattern: str, seconds: float = _ABANDONED_SECONDS
) -> None:
    """Removes the leftovers of processes that were killed inside `atomic_path`.

    Args:
        folder: path of the folder that holds the leftovers.
        pattern: pattern of their names, as `pathlib.Path.glob` takes it.
        seconds: float, minimum time since the last write to a leftover. Defaults to a day.
    """
    for leftover in Path(folder).glob(f".partial-*.{pattern}"):
        with contextlib.suppress(OSError):  # another process may be removing it
            if time.time() - leftover.stat().st_mtime >= seconds:
                _remove(leftover)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):  # a folder that cannot be written to
            path.unlink()
