"""A table of files, classes and splits: the labels of images that do not lie in class folders."""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from keras_cabvit.data.folders.folder_entries import OTHER_FORMATS, SUFFIXES
from keras_cabvit.data.folders.image_folder import FolderPart, ImageFolder
from keras_cabvit.data.folders.images_below import images_below
from keras_cabvit.data.folders.left_out import LeftOut
from keras_cabvit.data.folders.split_names import split_of
from keras_cabvit.data.listed import listed
from keras_cabvit.paths import local_path, path_text
from keras_cabvit.printable import is_printable

_COLUMNS = ("file", "class", "split")
_DELIMITERS = "\t;,"
# A first line for Excel: it names the delimiter and is no row.
_DELIMITER_LINE = re.compile(r'"?sep=([^\s\w"]|\t)"?(?:\r\n?|\n)', re.IGNORECASE)
_EXAMPLE = '"file,class,split" or "file,class"'


class _Row(NamedTuple):
    line: int
    file: str
    class_name: str
    split: str


def read_label_table(folder: str | os.PathLike, labels: str | os.PathLike) -> ImageFolder:
    """Reads which images of a folder belong to which class and split.

    The table is text with a line per image, in UTF-8 (or UTF-16 with a byte order mark, as
    spreadsheets write it), separated by commas, semicolons or tabs. Its first line names the
    columns: `file`, the path relative to the folder; `class`; and optionally `split`, a name that a
    folder of a split may have. Further columns are left out. A line `sep=;` above it, as Excel
    takes it, names the delimiter, which may then be any mark.

    Args:
        folder: the folder of the images; "~" is expanded.
        labels: the table.

    Returns:
        An `ImageFolder` with the parts "train", "val" and "test", those that there are, or "all"
        without splits. The order of the lines has no influence on it. Images of the folder that are
        not listed are left out, and so are other columns; `left_out` names both.

    Raises:
        FileNotFoundError: there is no such folder or table.
        ValueError: the table has a mistake; the message names its line.
    """
    root, table = local_path(folder, "data"), local_path(labels, "labels")
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder of images at {root}.")
    if not table.is_file():
        raise FileNotFoundError(f"There is no table of labels at {table}.")
    lines = list(_lines(table))
    if len(lines) < 2:
        raise ValueError(f"{table} must list images below its header. It lists none.")
    (line, names), *others = lines
    columns = _columns(table, line, names)
    rows = _resolved(root, table, list(_rows(table, columns, len(names), others)))
    unread = [name for place, name in enumerate(names) if place not in columns.values()]
    parts = {
        split: _part(table, [row for row in rows if row.split == split])
        for split in ("train", "val", "test", "all")
        if any(row.split == split for row in rows)
    }
    left_out = (*_unread(table, unread), *_not_listed(root, table, {row.file for row in rows}))
    return ImageFolder(root, parts, left_out)


def _lines(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields the lines of a table that are not empty: their numbers and their cells."""
    text = _text(table)
    named, line = _DELIMITER_LINE.match(text), 1
    if named:
        text, line, delimiter = text[named.end() :], 2, named[1]
    else:
        header = text.lstrip("\r\n").split("\n", 1)[0]
        delimiter = next((mark for mark in _DELIMITERS if mark in header), ",")
    # Strict: a quotation mark that is not closed would take the lines below it for one cell.
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    above = line - 1
    try:
        for cells in reader:
            values = [cell.strip() for cell in cells]
            if any(values):
                yield line, values
            line = above + reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{table}, line {line}, is not CSV: {error}. Is a quotation mark missing?"
        ) from error


def _rows(
    table: Path, columns: dict[str, int], width: int, lines: list[tuple[int, list[str]]]
) -> Iterator[_Row]:
    """Yields the rows below a header of `width` cells, with names as they are written."""
    for line, values in lines:
        if len(values) <= max(columns.values()):
            raise ValueError(
                f"{table}, line {line}, must have the columns of the header, "
                f"{', '.join(columns)}. It has {len(values)} of them: {_cells(values)}"
            )
        if any(values[width:]):
            raise ValueError(
                f"{table}, line {line}, must not have more columns than the header, {width}. It "
                f"has {len(values)}: {_cells(values)}. A class with a comma in its name stands in "
                "quotation marks."
            )
        yield _row(table, line, {name: values[place] for name, place in columns.items()})


def _cells(values: list[str]) -> str:
    """Returns the cells of a line for a message."""
    return ", ".join(map(repr, values[:4])) + (", ..." if len(values) > 4 else "")


def _columns(table: Path, line: int, names: list[str]) -> dict[str, int]:
    """Returns the places of the columns that are read, by their names."""
    lowered = [name.lower() for name in names]
    for name in _COLUMNS:
        if lowered.count(name) > 1:
            raise ValueError(f'{table}, line {line}, must have the column "{name}" once.')
    columns = {name: lowered.index(name) for name in _COLUMNS if name in lowered}
    if "file" not in columns or "class" not in columns:
        raise ValueError(
            f"{table}, line {line}, must be a header that names the columns {_EXAMPLE}. It is: "
            f"{_cells(names)}"
        )
    return columns


def _row(table: Path, line: int, values: dict[str, str]) -> _Row:
    """Returns a row whose class and split are checked."""
    place = f"{table}, line {line},"
    file, class_name = values["file"], unicodedata.normalize("NFC", values["class"])
    for name in ("file", "class"):
        if not values[name]:
            raise ValueError(f"{place} must have a {name}. The column is empty.")
    if not is_printable(class_name):
        raise ValueError(
            f"{place} must have a class of one line of printable characters. Received: "
            f"{class_name!r}"
        )
    if "split" not in values:
        return _Row(line, file, class_name, "all")
    split = split_of(values["split"])
    if split is None:
        raise ValueError(
            f"{place} must have one of the splits train, val and test. Received: "
            f"{values['split']!r}. Without the column, validation images are drawn."
        )
    return _Row(line, file, class_name, split)


def _text(table: Path) -> str:
    content = table.read_bytes()
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = "" if utf16 else f", line {line},"
        raise ValueError(
            f"{table}{where} must be text in UTF-8: save it as CSV in UTF-8. ({error})"
        ) from error


def _resolved(root: Path, table: Path, rows: list[_Row]) -> list[_Row]:
    """Returns the rows with the names that the files have, each file once."""
    missing: list[_Row] = []
    found: dict[str, _Row] = {}
    on_disk: dict[str, list[str]] = {}
    for path in images_below(root):
        name = os.path.relpath(path, root)
        on_disk.setdefault(_alike(name), []).append(name)
    for row in rows:
        file = _file(root, table, row)
        if file is None:
            missing.append(row)
            continue
        same = on_disk.get(_alike(file), [])
        if file not in same:  # a file system that ignores case, or forms of letters
            file = next((each for each in same if os.path.samefile(root / each, root / file)), file)
        before = found.setdefault(file, row._replace(file=file))
        for what, one, other in (
            ("classes", before.class_name, row.class_name),
            ("splits", before.split, row.split),
        ):
            if one != other:
                raise ValueError(
                    f"{table} must list a file once. {path_text(file)} has two {what}: {one} in "
                    f"line {before.line} and {other} in line {row.line}."
                )
    if missing:
        names = listed((f"{row.file} (line {row.line})" for row in missing), 3)
        raise ValueError(
            f"{table} must list files of {root}. There is no file {names}."
            f"{_name_hint(root, missing[0].file)}"
        )
    return list(found.values())


def _alike(name: str) -> str:
    """Returns what names have in common that some file systems do not tell apart."""
    return unicodedata.normalize("NFC", name).casefold()


def _file(root: Path, table: Path, row: _Row) -> str | None:
    """Returns the path of a row's file relative to `root`; None if there is no file."""
    forms = [
        row.file,
        unicodedata.normalize("NFC", row.file),
        unicodedata.normalize("NFD", row.file),
    ]
    # Written on Windows.
    forms += [form.replace("\\", "/") for form in forms if "\\" in form]
    for form in dict.fromkeys(forms):
        name = os.path.normpath(form)
        if os.path.isabs(name) or name.split(os.sep)[0] == os.pardir:
            raise ValueError(
                f"{table}, line {row.line}, must have a path relative to {root}, and inside it. "
                f"Received: {row.file}.{_name_hint(root, row.file)}"
            )
        if not os.path.isfile(root / name):
            continue
        suffix = os.path.splitext(name)[1].lower()
        if suffix in OTHER_FORMATS:
            raise ValueError(
                f"{table}, line {row.line}, must list an image that is read "
                f"({', '.join(SUFFIXES)}). Received: {row.file}. `cabvit convert-images` makes "
                "JPEG files of photographs in HEIC, AVIF and TIFF."
            )
        return name
    return None


def _name_hint(root: Path, file: str) -> str:
    """Returns a sentence on a name that would be found otherwise written; empty for others."""
    for suffix in SUFFIXES:
        for written in (suffix, suffix.upper()):
            if os.path.isfile(root / (file + written)):
                return f" Is it {file}{written}? Names must have their suffix."
    steps = file.replace("\\", "/").split("/")
    for place in range(1, len(steps)):
        shorter = "/".join(steps[place:])
        if os.path.isfile(root / shorter):
            return f" Is it {shorter}? Paths must be relative to {root}."
    return ""


def _part(table: Path, rows: list[_Row]) -> FolderPart:
    classes = sorted({row.class_name for row in rows})
    rows = sorted(rows, key=lambda row: (row.class_name, row.file))
    numbers = {name: number for number, name in enumerate(classes)}
    labels = tuple(numbers[row.class_name] for row in rows)
    return FolderPart(table, tuple(classes), tuple(row.file for row in rows), labels)


def _unread(table: Path, names: list[str]) -> tuple[LeftOut, ...]:
    """Returns the columns of a table that are not read, which may be splits by another name."""
    names = [name for name in names if name]
    if not names:
        return ()
    return (LeftOut(f"columns of {table.name}", tuple(names), f"only {listed(_COLUMNS)} are read"),)


def _not_listed(root: Path, table: Path, files: set[str]) -> tuple[LeftOut, ...]:
    """Returns the images of a folder that a table does not list."""
    others = [
        name
        for name in (os.path.relpath(path, root) for path in images_below(root))
        if name not in files
    ]
    if not others:
        return ()
    return (
        LeftOut(
            "images without a label",
            tuple(map(path_text, others)),
            f"{table.name} does not list them",
        ),
    )
