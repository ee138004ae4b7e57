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

from keras_cabvit.paths import local_path
from keras_cabvit.url_credentials import without_credentials
from keras_cabvit.weights.cache import WeightsDownloadError, disk_errors
from keras_cabvit.weights.checksums import check_sha256, file_sha256

URL_SCHEMES = ("https://", "http://", "file://")
BACK_OFF_SECONDS = 0.5  # before the first retry; doubled before each further one
_CHUNK_BYTES = 1 << 18
_RANGE_NOT_SATISFIABLE = 416
# Transient errors (RFC 9110, RFC 6585); every other error status is final.
_TRANSIENT_STATUSES = {408, _RANGE_NOT_SATISFIABLE, 429, 500, 502, 503, 504}


class _TransferError(Exception):
    """A failed attempt, with the reason as its message; unless it is final, a retry may succeed.

    Parts that arrived in several answers may be mixed: they may belong to different versions of the
    file, which is then fetched once more from its beginning.
    """

    def __init__(self, reason: str, is_final: bool = False, may_be_mixed: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final
        self.may_be_mixed = may_be_mixed


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
        destination: path of the file. Missing parent folders are created.
        sha256: SHA-256 of the whole file, 64 hexadecimal digits.
        size: size of the whole file in bytes, if known.
        retries: number of further attempts after a failed connection.
        timeout: seconds to wait for a response, and for each further piece of it.
        progress: whether to show a progress bar.

    Returns:
        The destination, a `pathlib.Path`.

    Raises:
        ValueError: `url` has another scheme, or `sha256` is malformed.
        WeightsDownloadError: the server cannot be reached or lacks the file, the connection keeps
            failing, the file is not the right one, or it cannot be stored.
    """
    _check_scheme(url)
    sha256 = check_sha256(sha256)
    destination = local_path(destination, "destination")
    partial = destination.with_name(destination.name + ".partial")
    # Network errors are converted where they arise, so any OSError here comes from the disk.
    with disk_errors(destination.parent):
        if _is_complete(destination, sha256):
            return destination
        destination.parent.mkdir(parents=True, exist_ok=True)
        with _acquired_lock(destination, progress):
            if _is_complete(destination, sha256):
                return destination
            if not _is_complete(partial, sha256):
                if progress:
                    print(f"Downloading {without_credentials(url)}")
                _with_retries(retries, _fetch_rest, url, partial, sha256, size, timeout, progress)
            os.replace(partial, destination)
    return destination


def fetch_text(url: str, retries: int = 3, timeout: float = 30, limit: int = 4096) -> str:
    """Fetches a short text, such as a checksum.

    Args:
        url: URL that begins with `https://`, `http://` or `file://`.
        retries: number of further attempts after a failed connection.
        timeout: seconds to wait for a response, and for each further piece of it.
        limit: number of bytes after which the rest is ignored.

    Returns:
        The text as a string; bytes that are not UTF-8 are replaced.

    Raises:
        ValueError: `url` has another scheme.
        WeightsDownloadError: the text cannot be fetched.
    """
    _check_scheme(url)
    return _with_retries(retries, _read_text, url, timeout, limit)


def _acquired_lock(destination: Path, progress: bool) -> filelock.AcquireReturnProxy:
    """Acquires the lock of a destination; a `with` block releases it at its end."""
    lock = filelock.FileLock(f"{destination}.lock")
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        if progress:
            print(f"Waiting for another process that is downloading {destination}.")
        return lock.acquire()


def _with_retries(retries: int, attempt: Callable[..., Any], url: str, *arguments: Any) -> Any:
    retry, begun_anew = 0, False
    while True:
        try:
            return attempt(url, *arguments)
        except _TransferError as error:
            if error.may_be_mixed and not begun_anew:
                begun_anew = True  # costs no retry: the connection has not failed
                continue
            if error.is_final or retry == retries:
                raise WeightsDownloadError(
                    f"{without_credentials(url)} could not be downloaded: "
                    f"{without_credentials(str(error), url)}."
                ) from error
            time.sleep(BACK_OFF_SECONDS * 2**retry)
            retry += 1


def _read_text(url: str, timeout: float, limit: int) -> str:
    with _network_errors(timeout), urllib.request.urlopen(url, timeout=timeout) as response:
        content = response.read(limit)
        if len(content) < min(limit, _length(response) or 0):
            raise http.client.IncompleteRead(content)
    return content.decode("utf-8", errors="replace")


def _fetch_rest(
    url: str, partial: Path, sha256: str, size: int | None, timeout: float, progress: bool
) -> None:
    """Appends the rest of the file to the partial file, and checks the hash of the whole."""
    have = partial.stat().st_size if partial.exists() else 0
    with _network_errors(timeout):
        try:
            rest = {"Range": f"bytes={have}-"} if have else {}
            request = urllib.request.Request(url, headers=rest)
            response = urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            if have and error.code == _RANGE_NOT_SATISFIABLE:  # it belongs to a larger file
                error.close()
                raise _wrong_bytes(f"it has no more than {have} bytes", partial, have) from error
            raise
    with response:
        have = have if response.status == http.client.PARTIAL_CONTENT else 0
        length = _length(response)
        total = size if length is None else have + length
        if size not in (None, total):
            raise _wrong_bytes(f"it has {total} bytes where {size} were expected", partial, have)
        with open(partial, "ab" if have else "wb") as file:
            bar = Progbar(total, unit_name="byte", verbose=int(progress))
            interruption = None
            try:
                while chunk := _read(response, timeout):
                    file.write(chunk)
                    bar.update(file.tell())
                    if total is not None and file.tell() > total:
                        break  # too long already
            except _TransferError as error:
                interruption = error
            file.flush()
            os.fsync(file.fileno())  # or a power cut may leave an empty file under the final name
    arrived = partial.stat().st_size
    if interruption or (total is not None and arrived < total):
        raise _TransferError(
            f"{interruption or 'the connection ended'}; {arrived} of "
            f"{total or 'an unknown number of'} bytes are kept, and running it again resumes there"
        ) from interruption
    if total is not None and arrived > total:
        raise _wrong_bytes(f"it has more than the expected {total} bytes", partial, have)
    actual = file_sha256(partial)
    if actual != sha256:
        reason = f"its SHA-256 is {actual} where {sha256} was expected; it was deleted"
        raise _wrong_bytes(reason, partial, have)


def _wrong_bytes(reason: str, partial: Path, resumed_at: int) -> _TransferError:
    """Deletes a partial file that was not part of the right file, and returns the error."""
    partial.unlink(missing_ok=True)
    return _TransferError(reason, is_final=True, may_be_mixed=resumed_at > 0)


def _length(response: Any) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _read(response: Any, timeout: float) -> bytes:
    with _network_errors(timeout):
        return response.read1(_CHUNK_BYTES)  # read() would lose bytes before a failure


@contextlib.contextmanager
def _network_errors(timeout: float) -> Iterator[None]:
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
        if isinstance(reason, TimeoutError):
            reason = f"the server sent nothing for {timeout} seconds"
        raise _TransferError(str(reason) or repr(reason), is_final) from error


def _is_complete(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


def _check_scheme(url: str) -> None:
    if not url.lower().startswith(URL_SCHEMES):
        raise ValueError(
            f"`url` must begin with one of {', '.join(URL_SCHEMES)}. Received: "
            f"{without_credentials(url)}"
        )
