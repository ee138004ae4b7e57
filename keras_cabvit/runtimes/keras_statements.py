"""Class names and centre crop that a `.keras` file states: two more files in its archive.

Keras reads only its own files of the archive. A model that it saves again loses the statements.
"""

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_cabvit.data.labels import LABELS, labels_in, labels_text
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.stated_crop import CROP_FILE, crop_statement, stated_crop


@dataclass(frozen=True)
class KerasStatements:
    """Statements of a `.keras` file.

    Attributes:
        labels: tuple of strings, the names of the classes; None without names.
        crop: side of the centre crop in evaluation, as a share of the image; None if not stated.
    """

    labels: tuple[str, ...] | None = None
    crop: float | None = None


def folder_of(model: str | os.PathLike[str]) -> Path:
    """Returns the folder with a model's labels and run: the one of its file, or its own.

    Args:
        model: path of a `.keras` file, or of the folder of an unpacked one.
    """
    path = local_path(model, "model")
    return path if path.is_dir() else path.parent


def add_statements(
    path: str | os.PathLike[str], labels: Sequence[str], image_size: Sequence[int], crop: float
) -> None:
    """Adds the statements to a `.keras` file that has none.

    Args:
        path: path of the file, as Keras saved it.
        labels: strings, the names of the classes.
        image_size: (height, width) of the model's images in pixels.
        crop: side of the centre crop in evaluation, as a share of the image.
    """
    with zipfile.ZipFile(local_path(path), "a") as archive:
        archive.writestr(LABELS, labels_text(labels))
        archive.writestr(CROP_FILE, crop_statement(image_size, crop))


def keras_statements(
    path: str | os.PathLike[str], image_shape: Sequence[int | None] | None = None
) -> KerasStatements:
    """Reads the statements of a `.keras` file; a file that Keras wrote alone has none.

    Args:
        path: path of the file, or of the folder of an unpacked one.
        image_shape: height and width of the model's images, None for a side of any size; None if
            they are not known.

    Raises:
        ValueError: the file or a statement is damaged, or a statement absurd or that of another
            model.
    """
    path = local_path(path)
    found = _files_in(path)
    labels, crop = found.get(LABELS), found.get(CROP_FILE)
    return KerasStatements(
        labels=None if labels is None else tuple(labels_in(labels, path)),
        crop=None if crop is None else stated_crop(crop, path, image_shape or (None, None)),
    )


def _files_in(path: Path) -> dict[str, bytes]:
    """Returns the contents of the statements in the file, or in the folder of an unpacked one."""
    names = (LABELS, CROP_FILE)  # those in a SavedModel's assets, with the same content
    if path.is_dir():
        return {name: (path / name).read_bytes() for name in names if (path / name).is_file()}
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in {*names} & {*archive.namelist()}}
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is damaged: {error}") from error
