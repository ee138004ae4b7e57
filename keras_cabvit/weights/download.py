"""Download of a file whose SHA-256 is known: resumed where it broke off, placed only when right."""

import contextlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

from keras.utils import Progbar

from keras_cabvit.weights.cache import check_sha256, file_sha256, locked

URL_SCHEMES = ("https://", "http://", "file://")
BACK_OFF_SECONDS = 0.5  # before the first retry; doubled before each further one
_CHUNK_BYTES = 1 << 18
_RANGE_NOT_SATISFIABLE = 416
# What a server says in passing (RFC 9110, RFC 6585); any other error status is its last word.
_PASSING_STATUSES = {408, 429, 500, 502, 503, 504}


class WeightsDownloadError(OSError):
    """A file of weights could not be fetched, was not the right one, or could not be stored."""


class _InterruptedTransfer(Exception):
    """The connection failed; another try may well succeed. Its text is the reason."""


def download(url, destination, sha256, size=None, retries=3, timeout=30, progress=True):
    """Downloads a file, unless it is there already.

    The bytes gather in `<destination>.partial`. It is kept when the connection fails, and the next
    try, in this call or in a later one, asks the server for the rest only. The file takes its name
    in one step and only when its SHA-256 is right. Of several processes that download to the same
    destination, one does the work and the others wait for it.

    Args:
        url: Address that begins with `https://`, `http://` or `file://`.
        destination: Path of the file. Its folder is created if it is missing.
        sha256: SHA-256 of the whole file, 64 hexadecimal digits.
        size: Size of the whole file in bytes, if known.
        retries: How many more times to try after a connection failed.
        timeout: Seconds to wait for an answer, and for each further piece of it.
        progress: Whether to show a progress bar.

    Returns:
        The destination, a `pathlib.Path`.

    Raises:
        ValueError: If `url` has another scheme or `sha256` is not one.
        WeightsDownloadError: If the server cannot be reached or lacks the file, if the connection
            keeps failing, if the file is not the right one, or if it cannot be stored.
    """
    _check_scheme(url)
    sha256 = check_sha256(sha256)
    destination = Path(destination)
    # What the network raises is turned into other exceptions on the spot, so that an OSError which
    # arrives here comes from the disk.
    with disk_errors(destination.parent):
        if _is_complete(destination, sha256):
            return destination
        destination.parent.mkdir(parents=True, exist_ok=True)
        lock = destination.with_name(destination.name + ".lock")
        waiting = f"Waiting for another process that is downloading {destination}."
        with locked(lock, waiting if progress else None):
            if not _is_complete(destination, sha256):
                partial = _PartialFile(destination, url, sha256)
                _fetch_verified(url, partial, size, retries, timeout, progress)
                os.replace(partial.path, destination)
                partial.discard()
    return destination


def fetch_text(url, retries=3, timeout=30, limit=4096):
    """Fetches a short text, such as a checksum.

    Args:
        url: Address that begins with `https://`, `http://` or `file://`.
        retries: How many more times to try after a connection failed.
        timeout: Seconds to wait for an answer, and for each further piece of it.
        limit: Bytes after which the rest is not read.

    Returns:
        The text as a string; bytes that are not UTF-8 are replaced.

    Raises:
        ValueError: If `url` has another scheme.
        WeightsDownloadError: If the text cannot be fetched.
    """
    _check_scheme(url)

    def attempt():
        content = bytearray()
        with _open(url, {}, timeout) as response:
            _, total = _begin_and_total(response)
            while len(content) < limit and (chunk := _read(response, limit, timeout)):
                content += chunk
        if total is not None and len(content) < min(total, limit):
            raise _InterruptedTransfer("the connection ended early")
        return content[:limit].decode("utf-8", errors="replace")

    try:
        return _with_retries(attempt, retries)
    except _InterruptedTransfer as interruption:
        raise WeightsDownloadError(f"{url} could not be fetched: {interruption}.") from interruption


class _PartialFile:
    """The part of a file that has arrived, and beside it what is needed to ask for the rest."""

    def __init__(self, destination, url, sha256):
        self.path = destination.with_name(destination.name + ".partial")
        self.origin_path = destination.with_name(destination.name + ".partial.json")
        self.url = url
        self.sha256 = sha256
        self.total = None  # size of the whole file, once it is known
        self.is_resumed = False  # whether the bytes came in more than one answer
        if self._origin().get("sha256", sha256) != sha256:
            self.discard()

    def size(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def validator(self):
        """Returns what If-Range must say. The mark of one server means nothing to another."""
        origin = self._origin()
        return origin.get("validator") if origin.get("url") == self.url else None

    def start(self, validator):
        """Opens the file at its beginning."""
        self.discard()
        origin = {"url": self.url, "sha256": self.sha256, "validator": validator}
        self.origin_path.write_text(json.dumps(origin), encoding="utf-8")
        return open(self.path, "wb")

    def resume(self):
        """Opens the file at its end."""
        self.is_resumed = True
        return open(self.path, "ab")

    def discard(self):
        self.is_resumed = False
        # In this order: bytes must never lie beside the mark of other bytes.
        self.path.unlink(missing_ok=True)
        self.origin_path.unlink(missing_ok=True)

    def _origin(self):
        try:
            origin = json.loads(self.origin_path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # none, or half written when the power went
            return {}
        return origin if isinstance(origin, dict) else {}


def _fetch_verified(url, partial, size, retries, timeout, progress):
    """Completes the partial file and proves it right."""
    if progress:
        print(f"Downloading {url}")
    for is_second_try in (False, True):
        try:
            _with_retries(lambda: _fetch_rest(url, partial, size, timeout, progress), retries)
        except _InterruptedTransfer as interruption:
            raise WeightsDownloadError(
                f"{url} could not be downloaded: {interruption}.{_kept(partial)}"
            ) from interruption
        actual = file_sha256(partial.path)
        if actual == partial.sha256:
            return
        # Bytes of two answers may be of two files, which says nothing against the server's file.
        # So these are fetched once more, from the beginning.
        was_resumed = partial.is_resumed
        partial.discard()
        if is_second_try or not was_resumed:
            raise WeightsDownloadError(
                f"The file at {url} is not the right one: its SHA-256 is {actual} where "
                f"{partial.sha256} was expected. It was deleted."
            )


def _fetch_rest(url, partial, size, timeout, progress):
    """Sends one request and appends what it brings."""
    have = partial.size()
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator := partial.validator():
            headers["If-Range"] = validator
    with _open(url, headers, timeout) as response:
        if response.status == _RANGE_NOT_SATISFIABLE:
            # Nothing follows what is here: it is whole, or of another file. The hash tells which.
            partial.is_resumed = True
            return
        begin, total = _begin_and_total(response)
        if begin not in (0, have):
            partial.discard()
            raise _InterruptedTransfer("the server sent another part of it than was asked for")
        if size is not None and total not in (None, size):
            raise WeightsDownloadError(
                f"The file at {url} is not the right one: it has {total} bytes where {size} were "
                "expected."
            )
        partial.total = size if total is None else total
        have = begin
        with partial.resume() if begin else partial.start(_validator(response)) as file:
            bar = Progbar(partial.total, unit_name="byte", verbose=int(progress))
            while chunk := _read(response, _CHUNK_BYTES, timeout):
                file.write(chunk)
                have += len(chunk)
                bar.update(have)
                if partial.total is not None and have > partial.total:
                    break  # too long already, which the hash will say
            file.flush()
            os.fsync(file.fileno())  # or a power cut may leave the final name on an empty file
    if partial.total is not None and have < partial.total:
        raise _InterruptedTransfer("the connection ended early")


def _begin_and_total(response):
    """Returns where in the file the answer begins, and the file's size or None if it is not said.

    A server that has no ranges, or whose file is not that of the If-Range mark any more, answers
    200 and begins at 0.
    """
    if response.status != http.client.PARTIAL_CONTENT:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    content_range = response.headers.get("Content-Range", "").strip()
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
    if match is None:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _validator(response):
    """Returns the mark of the file's present content. If-Range takes no weak ETag (RFC 9110)."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _kept(partial):
    have = partial.size()
    if not have:
        return ""
    total = "an unknown number" if partial.total is None else partial.total
    return f" {have} of {total} bytes have arrived and are kept; running it again resumes there."


def _with_retries(attempt, retries):
    for retry in range(retries):
        try:
            return attempt()
        except _InterruptedTransfer:
            time.sleep(BACK_OFF_SECONDS * 2**retry)
    return attempt()


def _open(url, headers, timeout):
    """Returns the server's answer, also the one that says that a range cannot be satisfied."""
    try:
        request = urllib.request.Request(url, headers=headers)
        return urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == _RANGE_NOT_SATISFIABLE and "Range" in headers:
            return error
        error.close()
        reason = f"the server answered {error.code} {error.reason}"
        if error.code in _PASSING_STATUSES:
            raise _InterruptedTransfer(reason) from error
        raise WeightsDownloadError(f"{url} could not be downloaded: {reason}.") from error
    except (ValueError, http.client.InvalidURL) as error:
        raise WeightsDownloadError(f"{url} is not a valid address: {error}.") from error
    except (OSError, http.client.HTTPException) as error:
        reason = _reason(error, timeout)
        if isinstance(getattr(error, "reason", None), FileNotFoundError):  # of a file:// address
            raise WeightsDownloadError(f"{url} could not be downloaded: {reason}.") from error
        raise _InterruptedTransfer(reason) from error


def _read(response, limit, timeout):
    """Returns the bytes that have arrived, `limit` at most; none at the end."""
    try:
        # Unlike read(), read1() does not lose the bytes before a connection breaks.
        return response.read1(limit)
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedTransfer(_reason(error, timeout)) from error


def _reason(error, timeout):
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        error = error.reason
    if isinstance(error, TimeoutError):
        return f"the server sent nothing for {timeout} seconds"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_complete(path, sha256):
    return path.is_file() and file_sha256(path) == sha256


def _check_scheme(url):
    if not url.lower().startswith(URL_SCHEMES):
        raise ValueError(f"`url` must begin with one of {', '.join(URL_SCHEMES)}. Received: {url}")


@contextlib.contextmanager
def disk_errors(folder):
    """Turns an OSError of the `with` block into a WeightsDownloadError that says what to do.

    Args:
        folder: The folder that the block writes in.

    Raises:
        WeightsDownloadError: If the block raises an OSError.
    """
    try:
        yield
    except WeightsDownloadError:
        raise
    except OSError as error:
        raise WeightsDownloadError(
            f"The weights cannot be stored in {folder}: {error.strerror or error}. Make room or "
            "give write permission there, or set KERAS_CABVIT_HOME to another folder."
        ) from error
