"""Files and folders that appear complete, or not at all."""

import contextlib
import errno
import glob
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from keras_cabvit.paths import local_path, path_text
from keras_cabvit.signals import raise_lost_interruption

# A leftover that has not been written to for this long belongs to a process that was killed.
_ABANDONED_SECONDS = 24 * 3600
# Marks a folder that `atomic_folder` wrote, so that a user's own folder is never replaced. The file
# contains the kind of the folder; that of an earlier version is empty.
_MARK = ".complete"
# Errors of a full disk, and as TensorFlow and HDF5 report them.
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
# Windows does not know all of these numbers.
_FULL_TEXTS = tuple({os.strerror(number) for number in _FULL} - {"Unknown error"})
DISK_FULL = "The disk is full, or the limit on the size of files is reached."
# In bytes. File systems allow 255, of which the prefix of a temporary name takes up to 45.
_LONGEST_NAME = 200


@contextlib.contextmanager
def temporary_path(
    path: str | os.PathLike,
    named: str | os.PathLike | None = None,
    looks_for_leftovers: bool = True,
) -> Iterator[Path]:
    """Yields a hidden path beside `path`, and removes what is there when the block ends.

    A killed process's leftover is removed by a call for the same `path` at least a day later.

    Args:
        path: path of the file or folder that is to be written in the end. Missing parent folders
            are created, and removed if the block fails and nothing is in them.
        named: path that an error about the parent folder names, for a `path` that the user has not
            given. Defaults to None for `path`.
        looks_for_leftovers: whether the parent folder is searched for a killed process's leftover
            of `path`. Defaults to True; False is for one of many files in a folder.

    Yields:
        A `pathlib.Path` with the same suffixes, at which there is nothing.

    Raises:
        ValueError: `path` is an address of remote storage, see `keras_cabvit.paths`.
        OSError: the parent folder cannot be created or written to; or the disk is full, in whatever
            words the block reports it.
    """
    path = local_path(path)
    missing = [folder for folder in path.parents if not os.path.exists(folder)]
    name = _short(path)
    # Two processes, or two threads, may write the same file at once.
    partial = path.with_name(f".partial-{os.getpid()}-{time.monotonic_ns()}.{name}")
    try:
        with _clear_error(path, named):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Every library reports in its own words that it may not write here, and some only
            # after minutes of work.
            partial.touch()
            partial.unlink()
        if looks_for_leftovers:
            remove_abandoned(path.parent, glob.escape(name))
        yield partial
    except BaseException as error:
        _remove(partial)
        for folder in missing:
            with contextlib.suppress(OSError):  # something is in it
                folder.rmdir()
        if isinstance(error, Exception) and is_disk_full(error):
            full = OSError(f"{DISK_FULL} Nothing was written to {path.parent}.")
            full.errno = errno.ENOSPC
            raise full from error
        raise
    finally:
        _remove(partial)


class _CheckedError(Exception):
    """Ends the block of `check_writable`."""


def check_writable(path: str | os.PathLike) -> None:
    """Checks that a file can be written, before the work whose result it is to hold.

    Args:
        path: path of the file. Nothing is left there or created.

    Raises:
        ValueError: `path` is an address of remote storage, see `keras_cabvit.paths`.
        OSError: `path` is a folder, or its parent cannot be created or written to.
    """
    if local_path(path).is_dir():
        raise IsADirectoryError(f"{path_text(path)} is a folder. Give the path of a file.")
    with contextlib.suppress(_CheckedError), temporary_path(path, looks_for_leftovers=False):
        raise _CheckedError


def check_space(path: str | os.PathLike, size: int) -> None:
    """Checks that a file can be written, for a library that crashes when it cannot: HDF5 does.

    Args:
        path: path of the file, at which there is nothing; nothing is left there.
        size: integer, bytes.

    Raises:
        OSError: the disk is full, or a limit is reached.
    """
    block = bytes(1 << 20)
    try:
        with open(path, "wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                for start in range(0, size, len(block)):
                    file.write(block[: size - start])
    finally:
        os.unlink(path)


def is_disk_full(error: BaseException | None) -> bool:
    """Returns whether an error, or one that it was raised for, reports that a disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if isinstance(error, Exception) and any(text in str(error) for text in _FULL_TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike, looks_for_leftovers: bool = True) -> Iterator[Path]:
    """Yields a temporary path for a file or a new folder, renamed to `path` when the block ends.

    The temporary path has a hidden name beside `path` with the same suffix, and a file at `path`
    is unchanged until the block ends. An error, Ctrl-C or SystemExit removes the temporary file;
    a killed process's leftover is removed by a call for the same `path` at least a day later.

    Args:
        path: path of the file or folder to write. An existing file is replaced; missing parent
            folders are created.
        looks_for_leftovers: as for `temporary_path`. Defaults to True.

    Yields:
        The `pathlib.Path` to write to.

    Raises:
        ValueError: `path` is an address of remote storage, see `keras_cabvit.paths`.
        OSError: it cannot be written. A file at `path` is unchanged.

    Example:
        >>> import tempfile
        >>> from keras_cabvit.atomic_files import atomic_path
        >>> path = tempfile.mkdtemp() + "/labels.txt"
        >>> with atomic_path(path) as partial:
        ...     length = partial.write_text("cat", encoding="utf-8")
        >>> open(path, encoding="utf-8").read()
        'cat'
    """
    path = local_path(path)
    with temporary_path(path, looks_for_leftovers=looks_for_leftovers) as partial:
        yield partial
        if partial.is_file():
            # Without this, a power cut may leave an empty file under the new name.
            with open(partial, "r+b") as file:  # Windows flushes only what may be written to
                os.fsync(file.fileno())
        raise_lost_interruption()
        with _clear_error(path):
            os.replace(partial, path)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike, kind: str) -> Iterator[Path]:
    """Yields a temporary folder to write into, renamed to `path` when the block ends.

    Unlike `atomic_path`, it replaces an existing folder of the same kind that it wrote. The
    earlier folder stays until the block ends; of two that are written at once, the later one stays.
    An error, Ctrl-C or SystemExit removes the temporary folder.

    Args:
        path: path of the folder to write.
        kind: string, what the folder holds, such as "demo page": a folder of another kind is not
            replaced.

    Yields:
        The `pathlib.Path` of an empty folder.

    Raises:
        ValueError: `path` is a file, or a folder that this function did not write, or of another
            kind; or an address of remote storage, see `keras_cabvit.paths`.
    """
    path = local_path(path).resolve()
    _check_replaceable(path, kind)
    with temporary_path(path) as partial:
        partial.mkdir()
        yield partial
        (partial / _MARK).write_text(kind, encoding="utf-8")
        raise_lost_interruption()
        _replace_folder(path, partial, kind)


def _check_replaceable(path, kind):
    mark = path / _MARK
    if path.exists() and not (mark.is_file() and mark.read_bytes() in (b"", kind.encode())):
        raise ValueError(
            f"{path} already exists and was not written by this command. Choose another folder, "
            "or remove it."
        )


def _replace_folder(path, partial, kind):
    """Renames a folder to `path`, after moving away what this module wrote there earlier."""
    while not _renamed(partial, path):
        _check_replaceable(path, kind)
        # Named so that `remove_abandoned` finds it too, should this process be killed.
        with temporary_path(path) as replaced:
            with contextlib.suppress(FileNotFoundError):  # another process has moved it away
                os.rename(path, replaced)
            try:
                if _renamed(partial, path):
                    return
            except OSError:
                os.rename(replaced, path)
                raise


def _renamed(folder, path):
    """Renames a folder unless something is at `path`, and returns whether it did."""
    try:
        os.rename(folder, path)
    except OSError:
        if path.exists():
            return False
        raise
    return True


def write_text_atomically(path: str | os.PathLike, text: str) -> None:
    """Writes a text file completely or not at all; an existing file is replaced.

    Args:
        path: path of the file.
        text: string, written as UTF-8; bytes of file names that are not text are escaped.
    """
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


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
            found = leftover.stat()
            # The second is that of the last change of whatever kind: a copy may have been given the
            # time of its original.
            if time.time() - max(found.st_mtime, found.st_ctime) >= seconds:
                _remove(leftover)


@contextlib.contextmanager
def _clear_error(path, named=None):
    """Names `named`, or else `path`, in the errors of a block that cannot write it."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise
        reason = str(error.strerror or error).rstrip(".")
        remedy = "Choose another path."
        if error.errno in _FORBIDDEN:
            folder = next(each for each in path.absolute().parents if os.path.exists(each))
            remedy = f"Grant the right to write to {folder}, or choose another path."
        clear = type(error)(f"{named or path} cannot be written: {reason}. {remedy}")
        clear.errno = error.errno
        raise clear from error


def _short(path):
    """Returns a path's name, or a shorter one if the name leaves no room for a prefix."""
    name = path.name
    if len(os.fsencode(name)) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return digest + "".join(path.suffixes[-2:])[-32:]


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):  # a folder that cannot be written to
            path.unlink()
