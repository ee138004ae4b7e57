"""A client for TF Serving's REST interface."""

import base64
import functools
from collections.abc import Sequence

from keras_cabvit.serving.answer import NOT_AN_EXPORT, SIGNATURE, Answer, ServerError, requests_of
from keras_cabvit.url_credentials import without_credentials


def classify_over_rest(
    files: Sequence[bytes],
    url: str,
    model: str = "cabvit",
    timeout: float = 10.0,
    retries: int = 3,
    batch_size: int = 8,
) -> list[Answer]:
    """Asks a server to classify image files.

    Args:
        files: list of bytes, the contents of image files.
        url: URL of the server, such as "http://127.0.0.1:8501".
        model: name of the model on the server. Defaults to "cabvit".
        timeout: float, seconds that the server may take to accept a request, and then to answer.
        retries: integer, number of further attempts while the server is unreachable, overloaded or
            still loading (status 429, 502, 503 or 504). The first waits half a second, each later
            one twice as long as the last.
        batch_size: integer, number of files per request: at most the server's `max_batch_size`.
            Defaults to 8, as in deploy/serving.

    Returns:
        A list of `Answer`, one per file.

    Raises:
        ServerError: the server does not answer, or returns an error.
        ValueError: `batch_size` is below 1.
        ImportError: requests is not installed.
    """
    try:
        import requests
        from requests.adapters import HTTPAdapter, Retry
        from urllib3.exceptions import ProtocolError
    except ImportError as error:
        raise ImportError(
            'The REST client needs requests: pip install "keras-cabvit[serving]"'
        ) from error
    retry = Retry(
        retries,
        read=False,  # do not retry a server that accepts a request and then stays silent
        backoff_factor=0.5,
        status_forcelist=(429, 502, 503, 504),
        allowed_methods=None,  # classifying twice is harmless
        respect_retry_after_header=False,  # a server may ask for more time than is left
        raise_on_status=False,
    )
    if not url.startswith(("http://", "https://")):
        raise ServerError(
            f"The address must begin with http:// or https://. Received: {without_credentials(url)}"
        )
    address = f"{url.rstrip('/')}/v1/models/{model}:predict"
    hidden = functools.partial(without_credentials, url=url)
    url = without_credentials(url)

    def classify(session, files):
        instances = [{"image_bytes": {"b64": base64.b64encode(file).decode()}} for file in files]
        try:
            response = session.post(
                address,
                json={"signature_name": SIGNATURE, "instances": instances},
                timeout=timeout,
            )
        except requests.Timeout as error:
            raise ServerError(f"{url} did not answer within {timeout:g} seconds.") from error
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            if isinstance(error.args[0], ProtocolError):  # there was a connection
                raise ServerError(
                    f"{url} closed the connection before answering: the server may have stopped."
                ) from error
            raise ServerError(f"No server answers at {url}: {hidden(_reason(error))}.") from error
        except requests.RequestException as error:
            raise ServerError(
                f"{url} is not the address of a server: {hidden(str(error))}."
            ) from error
        return _answers(response, url, len(files))

    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        return [
            answer for some in requests_of(files, batch_size) for answer in classify(session, some)
        ]


def _reason(error):
    """Returns the innermost cause, which requests and urllib3 wrap several times."""
    while True:
        inner = getattr(error, "reason", None) or (error.args and error.args[0])
        if not isinstance(inner, BaseException):
            return str(error).split(": ", 1)[-1].rstrip(".")
        error = inner


def _answers(response, url, count):
    try:
        content = response.json()
    except ValueError as error:
        raise ServerError(
            f"{url} answered with status {response.status_code} and no JSON: it is not TF Serving."
        ) from error
    if not isinstance(content, dict) or len(content.get("predictions", ())) != count:
        message = content.get("error") if isinstance(content, dict) else None
        raise ServerError(
            f"The server answered with status {response.status_code}: "
            f"{message or 'the number of predictions differs from the number of images'}"
        )
    try:
        return [
            Answer(tuple(row["classes"]), tuple(row["labels"]), tuple(row["scores"]), row["status"])
            for row in content["predictions"]
        ]
    except (KeyError, TypeError) as error:
        raise ServerError(NOT_AN_EXPORT) from error
