"""A model on a server, and the way to it."""

import os
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from keras_cabvit.paths import local_path
from keras_cabvit.serving.answer import ServerUnavailable
from keras_cabvit.url_credentials import without_credentials

T = TypeVar("T")

# Seconds: before the first retry, and at most before any.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
# Seconds; sockets count nanoseconds, and cannot count to infinity.
_LONGEST_TIMEOUT = 1e9
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# Shorter values are also parts of words.
_SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Target:
    """A model on a server, and the way to it.

    Args:
        address: URL of a REST server, such as "http://127.0.0.1:8501", or "HOST:PORT" of a gRPC
            server.
        model: name of the model on the server. Defaults to "cabvit".
        version: integer, the version to ask. None, the default, leaves the choice to the server:
            the highest one.
        version_label: string, a label such as "stable" that the server's configuration gives to a
            version; not together with `version`.
        timeout: float, seconds to wait for an answer to one attempt, at most 1e9. Defaults to 10.
        retries: integer, number of further attempts after a connection that is refused or breaks,
            and after the answer that the server is loading or overloaded (UNAVAILABLE; status 429,
            502, 503 or 504): classifying twice is harmless. There are none after a timeout or any
            other answer. The first waits half a second, each later one twice as long as the last,
            up to 8 seconds. Defaults to 3.
        headers: dict of strings, sent with every request; over gRPC as metadata. Their values are
            in no message.
        tls: whether gRPC uses TLS, which any of the certificates implies. REST does with https.
        ca_certificate: path of a PEM file of certificate authorities, instead of the usual ones.
        client_certificate: path of a PEM file, the client's certificate chain.
        client_key: path of a PEM file, the client's private key without a password; None if it is
            in `client_certificate`.

    Raises:
        ValueError: an argument is wrong, or a file is no certificate.
        FileNotFoundError: there is no such file.
    """

    address: str
    model: str = "cabvit"
    version: int | None = None
    version_label: str | None = None
    timeout: float = 10.0
    retries: int = 3
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: bool = False
    ca_certificate: str | os.PathLike[str] | None = None
    client_certificate: str | os.PathLike[str] | None = None
    client_key: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.version_label is not None:
            raise ValueError("Give `version` or `version_label`, not both.")
        if not 0 < self.timeout <= _LONGEST_TIMEOUT:
            raise ValueError(
                f"`timeout` must be above 0 and at most {_LONGEST_TIMEOUT:g} seconds. Received: "
                f"timeout={self.timeout}"
            )
        if self.retries < 0:
            raise ValueError(f"`retries` must be at least 0. Received: retries={self.retries}")
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of a header.")
            if not (value.isascii() and value.isprintable()):
                raise ValueError(
                    f"The value of the header {name} must be printable ASCII, on one line."
                )
        for name in ("ca_certificate", "client_certificate", "client_key"):
            path = getattr(self, name)
            if path is not None:
                path = local_path(path, name)
                if not path.is_file():
                    raise FileNotFoundError(f"There is no file at {path}.")
                object.__setattr__(self, name, path)
        self._check_certificates()

    def _check_certificates(self) -> None:
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("`client_key` needs `client_certificate`.")
        if self.ca_certificate is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.ca_certificate)
            except ssl.SSLError as error:
                raise ValueError(f"{self.ca_certificate} holds no PEM certificate.") from error
        if self.client_certificate is not None:
            try:  # a password would be asked for on the terminal
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
                    self.client_certificate, self.client_key, lambda: ""
                )
            except (ssl.SSLError, ValueError) as error:
                key = self.client_key or self.client_certificate
                raise ValueError(
                    f"{self.client_certificate} and {key} are not a PEM certificate and its "
                    "private key without a password."
                ) from error

    @property
    def uses_tls(self) -> bool:
        """Whether a gRPC channel is encrypted."""
        return self.tls or bool(self.ca_certificate or self.client_certificate)

    def hidden(self, text: str) -> str:
        """Returns a message without passwords and the values of headers."""
        # "Bearer TOKEN" is also quoted without its first word.
        secrets = {part for value in self.headers.values() for part in (value, *value.split()[1:])}
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "***")
        return without_credentials(text, self.address)

    def attempt(self, ask: Callable[[], T]) -> T:
        """Calls a function again, as `retries` says, while it raises `ServerUnavailable`."""
        wait = _FIRST_WAIT
        for _ in range(self.retries):
            try:
                return ask()
            except ServerUnavailable:
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
        return ask()
