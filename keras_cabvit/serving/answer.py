"""A server's answer about one image, and the errors instead of one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# The signature in `keras_cabvit.export.to_saved_model` that takes image files.
SIGNATURE = "serving_bytes"


class ServerError(OSError):
    """A server did not answer, or returned an error; the message says which."""


class ServerUnavailable(ServerError):
    """A server cannot be reached, is loading or is overloaded: asking again may succeed."""


NOT_AN_EXPORT = (
    "The server's model does not give classes, labels, scores and status: it must be an export by "
    "keras_cabvit.export.to_saved_model."
)


@dataclass(frozen=True)
class Answer:
    """The most probable classes of one image, in descending order.

    Attributes:
        classes: integers.
        labels: strings.
        scores: floats, probabilities.
        status: empty, or the reason why the image could not be read.
    """

    classes: tuple[int, ...]
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    status: str


@dataclass(frozen=True)
class VersionStatus:
    """The state of one version of a model on a server.

    Attributes:
        version: integer.
        state: "START", "LOADING", "AVAILABLE", "UNLOADING" or "END".
        error: empty, or the reason why the version is not served.
    """

    version: int
    state: str
    error: str


def in_requests(
    classify: Callable[[Sequence[bytes]], list[Answer]], files: Sequence[bytes], batch_size: int
) -> list[Answer]:
    """Classifies files in requests of at most `batch_size`, one after the other.

    Raises:
        ValueError: `batch_size` is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}")
    starts = range(0, len(files), batch_size)
    return [answer for start in starts for answer in classify(files[start : start + batch_size])]
