"""Resumable download of a file of known SHA-256, placed only when complete."""

import contextlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
from keras.utils import Progbar

from keras_cabvit.weights.cache import (
    WeightsDownloadError,
    check_sha256,
    disk_errors,
    file_sha256,
)

URL_SCHEMES = ("https://", "http://", "file://")
BACK_OFF_SECONDS = 0.5  # before the first retry; doubled before each further one
_CHUNK_BYTES = 1 << 18
_RANGE_NOT_SATISFIABLE = 416
# Transient errors (RFC 9110, RFC 6585); every other error status is final.
_TRANSIENT_STATUSES = {408, _RANGE_NOT_SATISFIABLE, 429, 500, 502, 503, 504}


class _TransferError(Exception):
    """A failed attempt, with the reason as its message; unless it is final, a retry may succeed."""

    def __init__(self, reason: str, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


def download(
    url: str,
    destination: str | os.PathLike[str],
    sha256: str,
    size: int | None = None,
    retries: int = 3,
    timeout: float = 30,
    progress: bool = True,
) -> Path:
    """Downloads a file, unless it is already there.

    The bytes are collected in `<destination>.partial`, which is kept when the connection fails: the
    next attempt, in this call or a later one, requests only the rest. The file is renamed to its
    destination atomically, and only if its SHA-256 is right. If several processes download to the
    same destination, one downloads and the others wait for it.

    Args:
        url: URL that begins with `https://`, `http://` or `file://`.
        destination: Path of the file. Missing parent folders are created.
        sha256: SHA-256 of the whole file, 64 hexadecimal digits.
        size: Size of the whole file in bytes, if known.
        retries: Number of further attempts after a failed connection.
        timeout: Seconds to wait for a response, and for each further piece of it.
        progress: Whether to show a progress bar.

    Returns:
        The destination, a `pathlib.Path`.

    Raises:
        ValueError: If `url` has another scheme, or `sha256` is malformed.
        WeightsDownloadError: If the server cannot be reached or lacks the file, if the connection
            keeps failing, if the file is not the right one, or if it cannot be stored.
    """
    _check_scheme(url)
    sha256 = check_sha256(sha256)
    destination = Path(destination)
    partial = destination.with_name(destination.name + ".partial")
    # Network errors are converted where they arise, so any OSError here comes from the disk.
    with disk_errors(destination.parent):
        if _is_complete(destination, sha256):
            return destination
        destination.parent.mkdir(parents=True, exist_ok=True)
        if progress:
            print(f"Downloading {url}")
        with filelock.FileLock(f"{destination}.lock"):
            if not _is_complete(destination, sha256):
                if not _is_complete(partial, sha256):
                    _with_retries(
                        retries, _fetch_rest, url, partial, sha256, size, timeout, progress
                    )
                os.replace(partial, destination)
    return destination


def fetch_text(url: str, retries: int = 3, timeout: float = 30, limit: int = 4096) -> str:
    """Fetches a short text, such as a checksum.

    Args:
        url: URL that begins with `https://`, `http://` or `file://`.
        retries: Number of further attempts after a failed connection.
        timeout: Seconds to wait for a response, and for each further piece of it.
        limit: Number of bytes after which the rest is ignored.

    Returns:
        The text as a string; bytes that are not UTF-8 are replaced.

    Raises:
        ValueError: If `url` has another scheme.
        WeightsDownloadError: If the text cannot be fetched.
    """
    _check_scheme(url)

    return _with_retries(retries, _read_text, url, timeout, limit)


def _with_retries(retries: int, attempt: Callable[..., Any], url: str, *arguments: Any) -> Any:
    for retry in range(retries + 1):
        try:
            return attempt(url, *arguments)
        except _TransferError as error:
            if error.is_final or retry == retries:
                raise WeightsDownloadError(f"{url} could not be downloaded: {error}.") from error
            time.sleep(BACK_OFF_SECONDS * 2**retry)


def _read_text(url: str, timeout: float, limit: int) -> str:
    with _network_errors(), urllib.request.urlopen(url, timeout=timeout) as response:
        content = response.read(limit)
        if len(content) < min(limit, int(response.headers.get("Content-Length") or 0)):
            raise http.client.IncompleteRead(content)
    return content.decode("utf-8", errors="replace")


def _fetch_rest(
    url: str, partial: Path, sha256: str, size: int | None, timeout: float, progress: bool
) -> None:
    """Appends the rest of the file to the partial file, and checks the hash of the whole."""
    have = partial.stat().st_size if partial.exists() else 0
    with _network_errors():
        try:
            headers = {"Range": f"bytes={have}-"} if have else {}
            request = urllib.request.Request(url, headers=headers)
            response = urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            if error.code == _RANGE_NOT_SATISFIABLE:  # the partial file belongs to a larger file
                partial.unlink()
            raise
    with response:
        have = have if response.status == http.client.PARTIAL_CONTENT else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else size
        if size not in (None, total):
            partial.unlink(missing_ok=True)
            raise _TransferError(f"it has {total} bytes where {size} were expected", True)
        with open(partial, "ab" if have else "wb") as file:
            bar = Progbar(total, unit_name="byte", verbose=int(progress))
            while chunk := _read(response):
                file.write(chunk)
                bar.update(file.tell())
            os.fsync(file.fileno())  # or a power cut may leave an empty file under the final name
    arrived = partial.stat().st_size
    if total is not None and arrived < total:
        raise _TransferError(
            f"the connection ended after {arrived} of {total} bytes, which are kept; running it "
            "again resumes there"
        )
    actual = file_sha256(partial)
    if actual != sha256:
        partial.unlink()
        # Parts from several responses may belong to different versions of the file.
        raise _TransferError(
            f"its SHA-256 is {actual} where {sha256} was expected; it was deleted", not have
        )


def _read(response: Any) -> bytes:
    with _network_errors():
        return response.read1(_CHUNK_BYTES)  # read() would lose bytes before a failure


@contextlib.contextmanager
def _network_errors() -> Iterator[None]:
    """Converts network errors to a `_TransferError`."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        answer = f"the server answered {error.code} {error.reason}"
        raise _TransferError(answer, error.code not in _TRANSIENT_STATUSES) from error
    except (ValueError, http.client.InvalidURL) as error:
        raise _TransferError(f"it is not a valid address: {error}", True) from error
    except (OSError, http.client.HTTPException) as error:
        reason: Any = getattr(error, "reason", error)
        is_final = isinstance(reason, FileNotFoundError)  # of a file:// address
        raise _TransferError(str(reason) or repr(reason), is_final) from error


def _is_complete(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


def _check_scheme(url: str) -> None:
    if not url.lower().startswith(URL_SCHEMES):
        raise ValueError(f"`url` must begin with one of {', '.join(URL_SCHEMES)}. Received: {url}")
