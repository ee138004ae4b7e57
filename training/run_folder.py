"""A folder that appears whole when its contents are finished, or not at all."""

import contextlib
import os
import shutil
import time
from pathlib import Path

# Marks a folder as written here, so that nobody's own folder is ever replaced.
_MARK = ".complete"
# A hidden folder that nothing has written to for so long was left by a process that was killed.
_ABANDONED_SECONDS = 24 * 3600


@contextlib.contextmanager
def written_whole(path):
    """Gives a folder to write into, which becomes `path` when the block ends without an error.

    Until then it has a hidden name beside `path`, and what stood at `path` stays. An error, Ctrl-C
    or SystemExit removes it.

    Args:
        path: of the folder to be. One that this function wrote earlier is replaced.

    Raises:
        ValueError: there is a file at `path`, or a folder that this function did not write.
    """
    path = Path(path).resolve()
    if path.exists() and not (path / _MARK).is_file():
        raise ValueError(
            f"{path} is there already and was not written by this command. Choose another folder, "
            "or remove it."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*.partial"):
        if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    replaced = path.with_name(f".{path.name}.{os.getpid()}.replaced.partial")
    partial.mkdir()
    try:
        yield partial
        (partial / _MARK).touch()
        if path.exists():
            os.replace(path, replaced)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def write_whole(path, text):
    """Writes a text file, whole or not at all; one that is there is replaced.

    Args:
        path: of the file.
        text: string, written as UTF-8.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # or a power cut may leave an empty file of the new name
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
