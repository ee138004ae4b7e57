"""SHA-256 checksums of files, and the files that state them."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from keras_cabvit.atomic_files import atomic_path

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# A line of sha256sum: the hash, a space, a space (text) or an asterisk (binary), the file's name. A
# leading backslash marks a name with escaped characters.
_CHECKSUM_LINE = re.compile(r"\\?([0-9a-fA-F]{64})(?:[ \t]+\*?\S.*)?")


def check_sha256(sha256: Any) -> str:
    """Validates a SHA-256, and returns it in lower case.

    Args:
        sha256: string of 64 hexadecimal digits.

    Raises:
        ValueError: it is anything else.
    """
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"`sha256` must be 64 hexadecimal digits. Received: {sha256!r}")
    return sha256.lower()


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Returns the SHA-256 of the file at `path` as 64 lower-case hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_path(path: str | os.PathLike[str]) -> Path:
    """Returns the path of a file's checksum: beside it, with `.sha256` added to its name."""
    path = Path(path)
    return path.with_name(path.name + ".sha256")


def write_checksum(path: str | os.PathLike[str]) -> Path:
    """Writes the checksum of a file beside it, in the form that `sha256sum --check` reads.

    Args:
        path: the file. `<path>.sha256` is written; an existing one is replaced atomically.

    Returns:
        The path of the checksum, a `pathlib.Path`.

    Raises:
        OSError: the file cannot be read or its folder cannot be written.
    """
    path = Path(path)
    checksum = checksum_path(path)
    with atomic_path(checksum) as partial:
        partial.write_bytes(f"{file_sha256(path)}  {path.name}\n".encode())
    return checksum


def read_checksum(text: str) -> str:
    """Parses the hash in the output of `sha256sum` for one file.

    Args:
        text: string, `<64 hexadecimal digits>  <file name>`. The hash alone is accepted.

    Returns:
        The hash as 64 lower-case hexadecimal digits.

    Raises:
        ValueError: the text is anything else, including several lines.
    """
    match = _CHECKSUM_LINE.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            "A checksum must be one line, 64 hexadecimal digits, two spaces and the file's name, "
            f"as `sha256sum` prints it. Received: {text[:100]!r}"
        )
    return match[1].lower()


def verify_checksum(path: str | os.PathLike[str]) -> bool | None:
    """Checks a file against the checksum beside it.

    Args:
        path: the file.

    Returns:
        True or False, or None if there is no `<path>.sha256` to compare with.

    Raises:
        ValueError: `<path>.sha256` does not hold a checksum.
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
