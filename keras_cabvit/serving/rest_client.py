"""A client for TF Serving's REST interface."""

import base64
import ssl
import threading
import urllib.parse
import weakref
from collections.abc import Sequence
from typing import Any

from keras_cabvit.serving.answer import (
    NOT_AN_EXPORT,
    SIGNATURE,
    Answer,
    ServerError,
    ServerUnavailable,
    VersionStatus,
    in_requests,
)
from keras_cabvit.serving.target import Target
from keras_cabvit.url_credentials import without_credentials

# Statuses of a server, or of a proxy before it, that may answer a moment later.
_UNAVAILABLE = (429, 502, 503, 504)


class RestClient:
    """Connections to TF Serving's REST interface, one per thread that uses it.

    Args:
        target: `Target` with a URL as its address.

    Raises:
        ServerError: the address is not a URL.
        ImportError: requests is not installed.

    Example:
        >>> from keras_cabvit.serving import RestClient, Target
        >>> with RestClient(Target("http://127.0.0.1:8501", retries=0, timeout=1)) as client:
        ...     client.status()
        Traceback (most recent call last):
        ...
        keras_cabvit.serving.answer.ServerUnavailable: No server answers at http://127.0.0.1:8501...
    """

    def __init__(self, target: Target):
        try:
            import requests
        except ImportError as error:
            raise ImportError(
                'The REST client needs requests: pip install "keras-cabvit[serving]"'
            ) from error
        if not target.address.startswith(("http://", "https://")):
            raise ServerError(
                "The address must begin with http:// or https://. "
                f"Received: {without_credentials(target.address)}"
            )
        self.target = target
        self._requests = requests
        # Weak references: a thread's session is closed when the thread ends.
        self._sessions: weakref.WeakSet[Any] = weakref.WeakSet()
        self._of_thread = threading.local()
        path = ["models", target.model]
        if target.version is not None:
            path += ["versions", str(target.version)]
        if target.version_label is not None:
            path += ["labels", target.version_label]
        quoted = "/".join(urllib.parse.quote(part, safe="") for part in path)
        self._url = f"{target.address.rstrip('/')}/v1/{quoted}"

    def __enter__(self) -> "RestClient":
        return self

    def __exit__(self, *_: object) -> None:
        for session in list(self._sessions):
            session.close()

    def classify(self, files: Sequence[bytes]) -> list[Answer]:
        """Sends one request with the contents of image files, and returns an `Answer` per file.

        Raises:
            ServerError: the server does not answer, or returns an error.
        """
        instances = [{"image_bytes": {"b64": base64.b64encode(file).decode()}} for file in files]
        request = {"signature_name": SIGNATURE, "instances": instances}
        rows = self._ask("POST", ":predict", "predictions", json=request)
        if len(rows) != len(files):
            raise ServerError("The number of predictions differs from the number of images.")
        try:
            return [
                Answer(
                    tuple(row["classes"]), tuple(row["labels"]), tuple(row["scores"]), row["status"]
                )
                for row in rows
            ]
        except (KeyError, TypeError) as error:
            raise ServerError(NOT_AN_EXPORT) from error

    def status(self) -> list[VersionStatus]:
        """Returns the state of the version asked for, or of all versions that the server knows.

        Raises:
            ServerError: the server does not answer, or returns an error.
        """
        try:
            return [
                VersionStatus(
                    int(row["version"]),
                    row["state"],
                    self.target.hidden(row.get("status", {}).get("error_message", "")),
                )
                for row in self._ask("GET", "", "model_version_status")
            ]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ServerError(
                f"{without_credentials(self.target.address)} gave no states of versions: it is not "
                "TF Serving."
            ) from error

    def _ask(self, method: str, suffix: str, key: str, **content: Any) -> list[Any]:
        """Returns the list at `key` in the JSON of an answer."""
        return self.target.attempt(
            lambda: self._list(self._response(method, self._url + suffix, content), key)
        )

    def _response(self, method: str, address: str, content: dict[str, Any]) -> Any:
        target = self.target
        try:
            return self._session().request(
                method,
                address,
                timeout=target.timeout,
                allow_redirects=False,  # headers may be secrets, and a POST becomes a GET
                verify=True if target.ca_certificate is None else str(target.ca_certificate),
                **content,
            )
        except self._requests.exceptions.RequestException as error:
            raise _error(error, target) from error

    def _session(self) -> Any:
        session = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = self._requests.Session()
            self._sessions.add(session)
            target = self.target
            if target.client_certificate is not None:
                key = target.client_key or target.client_certificate
                session.cert = str(target.client_certificate), str(key)
            if any(name.lower() == "authorization" for name in target.headers):
                session.auth = self._authorized  # or an entry of ~/.netrc would replace the header
            session.headers.update(target.headers)
        return session

    def _authorized(self, request: Any) -> Any:
        request.headers.update(self.target.headers)
        return request

    def _list(self, response: Any, key: str) -> list[Any]:
        url, status = without_credentials(self.target.address), response.status_code
        kind = ServerUnavailable if status in _UNAVAILABLE else ServerError
        try:
            content = response.json()
        except ValueError as error:
            if response.is_redirect:
                place = without_credentials(response.headers["location"])
                message = f"{url} redirects to {self.target.hidden(place)}: give that address."
            elif status in (401, 403):
                message = f"{url} refuses access (status {status}): check the token or header."
            else:
                message = f"{url} answered with status {status} and no JSON: it is not TF Serving."
            raise kind(message) from error
        found = content.get(key) if isinstance(content, dict) else None
        if status != 200 or not isinstance(found, list):
            said = content.get("error") if isinstance(content, dict) else None
            reason = self.target.hidden(str(said or f"there are no {key} in its answer"))
            raise kind(f"The server answered with status {status}: {reason}")
        return found


def classify_over_rest(
    files: Sequence[bytes],
    url: str,
    model: str = "cabvit",
    timeout: float = 10.0,
    retries: int = 3,
    batch_size: int = 8,
    **options: Any,
) -> list[Answer]:
    """Asks a server to classify image files, one request after the other.

    Args:
        files: list of bytes, the contents of image files.
        url: URL of the server, such as "http://127.0.0.1:8501".
        model: name of the model on the server. Defaults to "cabvit".
        timeout: float, see `Target`.
        retries: integer, see `Target`.
        batch_size: integer, number of files per request: at most the server's `max_batch_size`.
            Defaults to 8, as in deploy/serving.
        **options: further arguments of `Target`.

    Returns:
        A list of `Answer`, one per file.

    Raises:
        ServerError: the server does not answer, or returns an error.
        ValueError: an argument is wrong.
        ImportError: requests is not installed.
    """
    with RestClient(Target(url, model, timeout=timeout, retries=retries, **options)) as client:
        return in_requests(client.classify, files, batch_size)


def _error(error: Any, target: Target) -> ServerError:
    """Returns a `ServerError` that explains an exception of requests."""
    from requests import exceptions

    url = without_credentials(target.address)
    on_connection = isinstance(error, (exceptions.ConnectionError, exceptions.ChunkedEncodingError))
    on_securing = isinstance(error, exceptions.SSLError)  # one on the connection too
    if isinstance(error, exceptions.Timeout) or (on_connection and _timed_out(error)):
        return ServerError(f"{url} did not answer within {target.timeout:g} seconds.")
    if _ended_early(error) if on_securing else on_connection and _was_connected(error):
        return ServerUnavailable(
            f"{url} closed the connection before answering: the server may have stopped."
        )
    if on_securing:
        return ServerError(f"No secure connection to {url}: {target.hidden(_reason(error))}.")
    if on_connection:
        return ServerUnavailable(f"No server answers at {url}: {target.hidden(_reason(error))}.")
    return ServerError(f"{url} is not the address of a server: {target.hidden(str(error))}.")


def _was_connected(error: Any) -> bool:
    """Returns whether a connection broke, rather than never having been made."""
    from urllib3.exceptions import ProtocolError

    return isinstance(error.args[0], ProtocolError)


def _timed_out(error: Any) -> bool:
    """Returns whether an answer had begun, and did not go on in time."""
    from urllib3.exceptions import ReadTimeoutError

    return any(isinstance(each, ReadTimeoutError) for each in error.args)


def _ended_early(error: BaseException | None) -> bool:
    """Returns whether a secure connection was closed while it was being made."""
    while error is not None:
        if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            return True
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        error = inner if isinstance(inner, BaseException) else error.__cause__
    return False


def _reason(error: Any) -> str:
    """Returns the innermost cause, which requests and urllib3 wrap several times."""
    while True:
        inner = getattr(error, "reason", None) or (error.args and error.args[0])
        if not isinstance(inner, BaseException):
            return str(error).split(": ", 1)[-1].rstrip(".")
        error = inner
