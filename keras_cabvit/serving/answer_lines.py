"""Answers as JSON lines."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from keras_cabvit.paths import local_path, path_text
from keras_cabvit.prediction_line import prediction_line
from keras_cabvit.serving.file_answers import FileAnswer


def answer_line(row: FileAnswer, top: int | None = None) -> str:
    """Returns one line of JSON in the form that `cabvit predict` has.

    It is an object with `file`, `classes`, a list of objects with `class`, `number` and
    `probability`, and `error`, which may be null.

    Args:
        row: `FileAnswer`.
        top: integer, the number of classes; None takes all in the answer.
    """
    classes = []
    if row.answer is not None and not row.error:
        answer = row.answer
        named = zip(answer.labels, answer.classes, answer.scores, strict=True)
        classes = list(named)[:top]
    return prediction_line(row.path, classes, row.error)


class AnswerFile:
    """A file of JSON lines that is complete, or named so.

    Attributes:
        path: path of the file, which appears when all is written.
        incomplete: path of the file that holds the rows until then, such as
            `answers.incomplete.jsonl`; it remains after an error, an interruption or a crash.
        rows: integer, the number of rows written so far.
    """

    def __init__(self, path: Path):
        self.path = path
        self.incomplete = path.with_name(f"{path.stem}.incomplete{path.suffix}")
        self.rows = 0
        self._file: int | None = None
        self._size = 0

    def write(self, line: str) -> None:
        """Writes a line at once, whole or not at all.

        Raises:
            OSError: the disk is full, or the like.
        """
        if self._file is None:  # only now, so that a run that gets no answer replaces nothing
            self._file = self._opened()
        content = line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            written = 0
            while written < len(content):
                written += os.write(self._file, content[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            reason = error.strerror or str(error)
            raise OSError(f"{self.incomplete} cannot be written: {reason}.") from error
        self._size += len(content)
        self.rows += 1

    def _opened(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        try:
            self.incomplete.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.incomplete, flags, 0o666)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(f"{self.path} cannot be written: {reason}.") from error

    def close(self, complete: bool) -> None:
        """Closes the file, and gives it its name if it is complete."""
        if self._file is not None:
            if complete:
                os.fsync(self._file)
            os.close(self._file)
            if complete:
                os.replace(self.incomplete, self.path)


@contextlib.contextmanager
def answer_file(path: str | os.PathLike[str]) -> Iterator[AnswerFile]:
    """Opens a file of JSON lines; rows are in it as soon as they are written.

    Args:
        path: path that ends in .jsonl or .ndjson. An existing file is replaced when the block ends
            without an error.

    Yields:
        An `AnswerFile`.

    Raises:
        ValueError: `path` has another ending, or is a folder.
    """
    path = local_path(path, "output")
    if path.suffix.lower() not in (".jsonl", ".ndjson"):
        raise ValueError(f"`output` must end in .jsonl or .ndjson. Received: {path_text(path)}")
    if path.is_dir():
        raise ValueError(f"`output` must be a file. There is a folder at {path_text(path)}.")
    file = AnswerFile(path)
    try:
        yield file
    except BaseException:
        file.close(complete=False)
        raise
    file.close(complete=True)
