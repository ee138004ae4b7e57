"""A folder that appears whole when its contents are finished, or not at all."""

import contextlib
import os
import shutil
from pathlib import Path

from keras_cabvit.atomic_files import written_atomically

# Marks a folder as written here, so that nobody's own folder is ever replaced.
_MARK = ".complete"


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
    # Named so that `written_atomically` removes it too, should this process be killed.
    replaced = path.with_name(f".partial-{os.getpid()}-replaced.{path.name}")
    try:
        with written_atomically(path) as partial:
            partial.mkdir()
            yield partial
            (partial / _MARK).touch()
            if path.exists():
                os.replace(path, replaced)
    finally:
        shutil.rmtree(replaced, ignore_errors=True)


def write_whole(path, text):
    """Writes a text file, whole or not at all; one that is there is replaced.

    Args:
        path: of the file.
        text: string, written as UTF-8.
    """
    with written_atomically(path) as partial:
        partial.write_text(text, encoding="utf-8")
