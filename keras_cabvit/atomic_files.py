"""Files and folders that appear whole, or not at all."""

import contextlib
import glob
import os
import shutil
import time
from pathlib import Path

# What nothing has written to for so long was left by a process that was killed.
_ABANDONED_SECONDS = 24 * 3600


@contextlib.contextmanager
def written_atomically(path):
    """Gives a path to write a file or a folder to, which becomes `path` when the block ends.

    Until then it has a hidden name beside `path`, with the same ending, and a file at `path` stays
    as it is. An error, Ctrl-C or SystemExit removes it; what a killed process left is removed by a
    later call for the same `path`, a day after.

    Args:
        path: of the file or folder to be. A file that is there is replaced; the folder that it is
            to be in is made.

    Yields:
        The `pathlib.Path` to write to.

    Raises:
        OSError: it cannot be written. A file at `path` is as it was.

    Example:
        >>> import tempfile
        >>> from keras_cabvit.atomic_files import written_atomically
        >>> path = tempfile.mkdtemp() + "/labels.txt"
        >>> with written_atomically(path) as partial:
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
            # Or a power cut may leave an empty file of the new name.
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        _remove(partial)


def remove_abandoned(folder, pattern, seconds=_ABANDONED_SECONDS):
    """Removes what killed processes left of `written_atomically`.

    Args:
        folder: path, in which files or folders were to be.
        pattern: of their names, as `pathlib.Path.glob` takes it.
        seconds: float, for which nothing has written to a leftover. Defaults to a day.
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
