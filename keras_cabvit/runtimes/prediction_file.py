"""Files of predictions: CSV, JSON lines and Parquet, written row by row."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from keras_cabvit.atomic_files import DISK_FULL, atomic_path, is_disk_full
from keras_cabvit.csv_row import csv_row
from keras_cabvit.paths import local_path, path_text
from keras_cabvit.prediction_line import prediction_line, shortest
from keras_cabvit.runtimes.file_predictions import FilePrediction

# Rows of a row group in a Parquet file, which is kept in memory until it is written.
_GROUP = 8192


class _Writer(Protocol):
    def __init__(self, stream: BinaryIO, top: int): ...

    def write(self, row: FilePrediction) -> None: ...

    def finish(self) -> None: ...


class PredictionFile:
    """An open file of predictions.

    Attributes:
        path: path of the file, which appears when all is written.
        rows: integer, the number of rows written so far.
        incomplete: path of the file that holds these rows after an interruption or an error; None
            before that, and if there are none or they could not be written.
    """

    def __init__(self, path: Path, writer: _Writer):
        self.path, self.rows = path, 0
        self.incomplete: Path | None = None
        self._writer = writer

    def write(self, row: FilePrediction) -> None:
        """Writes the prediction of a file.

        Raises:
            OSError: the disk is full, or the like.
        """
        self._writer.write(row)
        self.rows += 1

    def finish(self) -> None:
        """Writes what is still in memory, and the end of the file."""
        self._writer.finish()


@contextlib.contextmanager
def prediction_file(path: str | os.PathLike[str], top: int) -> Iterator[PredictionFile]:
    """Opens a file of predictions, which appears at `path` when the block ends.

    A CSV or Parquet file has the columns `file`, `class_1`, `probability_1`, ... for `top` classes,
    and `error`: the reason for which a file was not read, else empty (null in Parquet). JSON lines
    are objects with `file`, `classes`, a list of objects with `class`, `number` and `probability`,
    and `error`, which may be null. Bytes of file names that are not UTF-8 are escaped.

    After an interruption or an error in the block the rows so far are in a file whose name says so:
    `predictions.incomplete.csv`. A file at `path` is then unchanged.

    Args:
        path: path that ends in .csv, .jsonl, .ndjson or .parquet. An existing file is replaced.
        top: integer, the number of classes per row.

    Yields:
        A `PredictionFile`.

    Raises:
        ValueError: `path` has another ending, or is a folder.
        ImportError: pyarrow, which writes Parquet, is not installed.
        OSError: the file cannot be written.
    """
    path = local_path(path, "output")
    writer_class = _writer_class(path)
    file = None
    try:
        with atomic_path(path) as partial:
            interruption = None
            with open(partial, "wb") as stream:
                file = PredictionFile(path, writer_class(stream, top))
                try:
                    yield file
                except BaseException as error:
                    interruption = error
                file.finish()
            if interruption is not None:
                if file.rows:
                    incomplete = path.with_name(f"{path.stem}.incomplete{path.suffix}")
                    os.replace(partial, incomplete)
                    file.incomplete = incomplete
                raise interruption
    except OSError as error:
        if file is None or file.incomplete is None or not is_disk_full(error):
            raise
        full = OSError(f"{DISK_FULL} {path_text(path)} was not written.")
        full.errno = errno.ENOSPC
        raise full from error


def check_prediction_path(path: str | os.PathLike[str]) -> None:
    """Raises what `prediction_file` would raise before anything is written."""
    _writer_class(local_path(path, "output"))


def _writer_class(path: Path) -> type[_Writer]:
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise ValueError(f"`output` must end in {', '.join(_WRITERS)}. Received: {path_text(path)}")
    if path.is_dir():
        raise ValueError(f"`output` must be a file. There is a folder at {path_text(path)}.")
    if writer is _Parquet:
        _pyarrow()
    return writer


def _columns(top: int) -> list[str]:
    pairs = ((f"class_{place}", f"probability_{place}") for place in range(1, top + 1))
    return ["file", *(name for pair in pairs for name in pair), "error"]


class _Lines:
    """Text that is written row by row, of which a full disk leaves all whole rows."""

    def __init__(self, stream: BinaryIO):
        self._descriptor, self._size = stream.fileno(), 0

    def _write(self, text: str) -> None:
        # Class names come from files of others, and may hold halves of surrogate pairs.
        data = text.encode("utf-8", errors="backslashreplace")
        written = 0
        while written < len(data):  # the last bytes of a disk take a part
            written += os.write(self._descriptor, data[written:])
        self._size += len(data)

    def finish(self) -> None:
        """Removes the part of a row that could not be written."""
        os.ftruncate(self._descriptor, self._size)


class _Csv(_Lines):
    def __init__(self, stream: BinaryIO, top: int):
        super().__init__(stream)
        self._top = top
        self._write(csv_row(_columns(top)))

    def write(self, row: FilePrediction) -> None:
        cells: list[Any] = []
        for name, probability in zip(row.class_names, row.probabilities, strict=True):
            cells += [name, shortest(probability)]
        cells += [""] * (2 * self._top - len(cells))
        self._write(csv_row([path_text(row.path), *cells, row.error]))


class _JsonLines(_Lines):
    def __init__(self, stream: BinaryIO, top: int):
        super().__init__(stream)

    def write(self, row: FilePrediction) -> None:
        classes = zip(row.class_names, row.classes, row.probabilities, strict=True)
        self._write(prediction_line(row.path, classes, row.error) + "\n")


class _Parquet:
    def __init__(self, stream: BinaryIO, top: int):
        arrow, parquet = _pyarrow()
        types = [arrow.string(), *[arrow.string(), arrow.float32()] * top, arrow.string()]
        self._schema = arrow.schema(list(zip(_columns(top), types, strict=True)))
        self._table_of = arrow.table
        self._writer = parquet.ParquetWriter(stream, self._schema)
        self._rows: list[list[Any]] = []

    def write(self, row: FilePrediction) -> None:
        cells: list[Any] = []
        for pair in zip(row.class_names, row.probabilities, strict=True):
            cells += pair
        cells += [None] * (len(self._schema) - 2 - len(cells))
        self._rows.append([path_text(row.path), *cells, row.error or None])
        if len(self._rows) == _GROUP:
            self._write_group()

    def finish(self) -> None:
        if self._rows:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        columns = map(list, zip(*self._rows, strict=True))
        named = dict(zip(self._schema.names, columns, strict=True))
        self._writer.write_table(self._table_of(named, schema=self._schema))
        self._rows.clear()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            'Writing Parquet needs pyarrow: pip install "keras-cabvit[parquet]". .csv and .jsonl '
            "need nothing."
        ) from error
    return pyarrow, pyarrow.parquet


_WRITERS: dict[str, type[_Writer]] = {
    ".csv": _Csv,
    ".jsonl": _JsonLines,
    ".ndjson": _JsonLines,
    ".parquet": _Parquet,
}
