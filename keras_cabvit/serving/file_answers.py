"""Answers about any number of image files, one after the other."""

import itertools
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keras_cabvit.paths import path_text
from keras_cabvit.serving.answer import Answer, ServerError
from keras_cabvit.serving.in_order import in_order


class Client(Protocol):
    """A connection to a server: `RestClient` or `GrpcClient`."""

    def classify(self, files: Sequence[bytes]) -> list[Answer]:
        """Returns an `Answer` per file."""
        ...


@dataclass(frozen=True)
class FileAnswer:
    """A server's answer about one image file.

    Attributes:
        path: path of the file.
        answer: `Answer`; None if the file was not sent, or its request failed.
        error: empty, or a sentence on the reason for which the file has no classes.
    """

    path: Path
    answer: Answer | None
    error: str = ""


class RequestFailed(ServerError):
    """A request failed; the message names its first file and the reason."""


def classify_files(
    client: Client,
    paths: Iterable[str | os.PathLike[str]],
    *,
    batch_size: int = 8,
    concurrency: int = 1,
    keep_going: bool = False,
) -> Iterator[FileAnswer]:
    """Asks a server to classify image files.

    Files are read when their request is sent, so that memory does not grow with their number:
    `paths` may be a generator. A file that cannot be read does not affect the others.

    Args:
        client: `RestClient` or `GrpcClient`.
        paths: paths of image files.
        batch_size: integer, number of files per request: at most the server's `max_batch_size`.
            Defaults to 8, as in deploy/serving.
        concurrency: integer, number of requests at once. Defaults to 1.
        keep_going: whether to continue after a failed request, whose files then have its error.
            Defaults to False.

    Yields:
        A `FileAnswer` per file in order, as soon as it and those before it are answered.

    Raises:
        RequestFailed: a request failed and `keep_going` is False. No more are sent then, and the
            files of those that were answered have been yielded.
        ValueError: `batch_size` or `concurrency` is below 1.
        OSError: the computer starts no thread for so many requests at once.
    """
    for name, value in (("batch_size", batch_size), ("concurrency", concurrency)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
    return _answers(client, paths, batch_size, concurrency, keep_going)


def _answers(
    client: Client,
    paths: Iterable[str | os.PathLike[str]],
    batch_size: int,
    concurrency: int,
    keep_going: bool,
) -> Iterator[FileAnswer]:
    failure: RequestFailed | None = None
    failed = threading.Event()  # set in the thread of the request, before it begins another

    def batches() -> Iterator[list[Path]]:
        rest = map(Path, paths)
        while not failed.is_set() and (batch := list(itertools.islice(rest, batch_size))):
            yield batch

    def ask(batch: list[Path]) -> list[FileAnswer]:
        if failed.is_set():
            return []
        try:
            return _ask(client, batch)
        except ServerError as error:
            if keep_going:
                return [FileAnswer(path, None, str(error)) for path in batch]
            failed.set()
            raise

    for batch, future in in_order(ask, batches(), concurrency):
        try:
            yield from future.result()
        except ServerError as error:
            if failure is None:
                failure = RequestFailed(_named(batch, error))
                failure.__cause__ = error
    if failure is not None:
        raise failure


def _ask(client: Client, batch: list[Path]) -> list[FileAnswer]:
    contents: list[bytes] = []
    reasons: list[str] = []
    for path in batch:
        try:
            contents.append(path.read_bytes())
            reasons.append("")
        except OSError as error:
            reasons.append(f"The file cannot be read: {error.strerror or error}.")
    answers = iter(client.classify(contents) if contents else [])
    rows = []
    for path, reason in zip(batch, reasons, strict=True):
        answer = None if reason else next(answers)
        rows.append(FileAnswer(path, answer, answer.status if answer else reason))
    return rows


def _named(batch: list[Path], error: ServerError) -> str:
    more = len(batch) - 1
    others = f" and {more} more file{'s' * (more > 1)}" if more else ""
    return f"The request for {path_text(batch[0])}{others} failed. {error}"
