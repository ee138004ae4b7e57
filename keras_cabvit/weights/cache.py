"""Where weight files lie on this computer, and the checksum and the lock that keep them whole."""

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path

from keras_cabvit.atomic_files import atomic_path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# A line of sha256sum: the hash, a blank, a blank (text) or an asterisk (binary), the file's name.
# The leading backslash is its mark for a name that holds escaped characters.
_CHECKSUM_LINE = re.compile(r"\\?([0-9a-fA-F]{64})(?:[ \t]+\*?\S.*)?")


def cache_folder():
    """Returns the folder of the weight files, which need not exist yet.

    Returns:
        `$KERAS_CABVIT_HOME` if it is set, else `$KERAS_HOME/models` if that is set, else
        `~/.keras/models`, as a `pathlib.Path`.
    """
    if home := os.environ.get("KERAS_CABVIT_HOME"):
        return Path(home).expanduser()
    if keras_home := os.environ.get("KERAS_HOME"):
        return Path(keras_home).expanduser() / "models"
    return Path.home() / ".keras" / "models"


def weights_file_name(variant):
    """Returns the name of the file with the ImageNet weights of `variant`, such as `CabViTH_S`."""
    return f"{variant}_imagenet.weights.h5"


def weights_path(variant):
    """Returns where the ImageNet weights of `variant` lie once they are there."""
    return cache_folder() / weights_file_name(variant)


def check_sha256(sha256):
    """Returns a SHA-256 in lower case.

    Args:
        sha256: String of 64 hexadecimal digits.

    Raises:
        ValueError: If it is anything else.
    """
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"`sha256` must be 64 hexadecimal digits. Received: {sha256!r}.")
    return sha256.lower()


def file_sha256(path):
    """Returns the SHA-256 of the file at `path` as 64 lower-case hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_path(path):
    """Returns where the checksum of the file at `path` is kept: beside it, with `.sha256` added."""
    path = Path(path)
    return path.with_name(path.name + ".sha256")


def write_checksum(path):
    """Writes the checksum of a file beside it, in the form that `sha256sum --check` reads.

    Args:
        path: The file. `<path>.sha256` is written, and replaced in one step if it is there.

    Returns:
        The path of the checksum, a `pathlib.Path`.

    Raises:
        OSError: If the file cannot be read or its folder cannot be written.
    """
    path = Path(path)
    checksum = checksum_path(path)
    with atomic_path(checksum) as partial:
        partial.write_bytes(f"{file_sha256(path)}  {path.name}\n".encode())
    return checksum


def read_checksum(text):
    """Reads the hash out of what `sha256sum` printed for one file.

    Args:
        text: String, `<64 hexadecimal digits>  <file name>`. The hash alone will do.

    Returns:
        The hash as 64 lower-case hexadecimal digits.

    Raises:
        ValueError: If the text is anything else, several lines included.
    """
    match = _CHECKSUM_LINE.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            "A checksum must be one line, 64 hexadecimal digits, two spaces and the file's name, "
            f"as `sha256sum` prints it. Received: {text[:100]!r}."
        )
    return match[1].lower()


def verify_checksum(path):
    """Tells whether a file is the one whose checksum lies beside it.

    Args:
        path: The file.

    Returns:
        True or False, or None if there is no `<path>.sha256` to compare with.

    Raises:
        ValueError: If `<path>.sha256` does not hold a checksum.
    """
    try:
        text = checksum_path(path).read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    try:
        expected = read_checksum(text)
    except ValueError as error:
        raise ValueError(f"{checksum_path(path)} holds no checksum. {error}") from error
    return file_sha256(path) == expected


@contextlib.contextmanager
def locked(path, waiting=None):
    """Holds a lock between processes and between threads while the `with` block runs.

    The operating system takes the lock back from a process that dies, so none is ever left over.
    The empty file at `path` does stay: to delete it would let a process that waits for it and one
    that makes it anew both believe that they hold the lock.

    Args:
        path: The lock's file, created if it is missing.
        waiting: Message printed once if somebody else holds the lock.

    Raises:
        OSError: If the file cannot be opened or its file system has no locks.
    """
    with open(path, "ab") as file:
        while not _try_lock(file):
            if waiting:
                print(waiting)
                waiting = None
            time.sleep(0.05)
        try:
            yield
        finally:
            _unlock(file)


def _try_lock(file):
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):  # held by another; Windows says the second
        return False
    return True


def _unlock(file):
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_UN)
    else:
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
