"""A folder of photographs, with a subfolder for every class."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_cabvit.data.image_folder import SUFFIXES
from training.data.data_set import DataSet
from training.data.split import Example, RandomAccessSplit, checksum_of
from training.data.stratified import held_out


class FolderSplit(RandomAccessSplit):
    """A split of image files, each read when it is needed.

    Args:
        root: folder. The name of an image is its path relative to it.
        files: paths relative to `root`.
        labels: integers, indices into `class_names`, one per file.
        class_names: names of the classes.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        files: Sequence[str],
        labels: Sequence[int] | np.ndarray,
        class_names: Sequence[str],
    ):
        super().__init__(len(files), class_names)
        self._root = os.fsencode(os.path.join(os.path.abspath(root), ""))
        with tf.device("CPU"):
            self._files = tf.constant([os.fsencode(file) for file in files], tf.string)
            self._labels = tf.constant(labels, tf.int64)

    def at(self, index: tf.Tensor) -> Example:
        """Returns the example with a number."""
        return {"name": self._files[index], "label": self._labels[index]}

    def checksum(self) -> str:
        """Returns the checksum of the files' relative paths and of the labels."""
        return checksum_of(b"\0".join(self._files.numpy()), self._labels.numpy())

    def image(self, example: Example) -> tf.Tensor:
        """Returns the content of an example's file."""
        return tf.io.read_file(tf.strings.join([self._root, example["name"]]))


def image_folder(path: str | os.PathLike, validation_share: float, seed: int) -> DataSet:
    """Opens a folder of images.

    It has one folder per class, named after the class; or `train/` and optionally `val/` (or
    `validation/`) and `test/`, each with a folder for every class. Without `val/` the validation
    images are drawn from the training images, evenly by class. Labels are in the order of the
    sorted names. Images are the files that end in .jpg, .jpeg, .png, .webp, .gif or .bmp, in lower
    or upper case; files and folders whose names begin with a dot are ignored, and all other entries
    are listed in the notes.

    Args:
        path: the folder.
        validation_share: share of every class's training images that is held out if there is no
            `val/`.
        seed: integer, the seed of this draw.

    Returns:
        A `DataSet`.

    Raises:
        ValueError: the folder cannot be trained on; the message says why.
        FileNotFoundError: there is no such folder.
    """
    root = Path(path).expanduser()
    if not os.path.exists(root):
        raise FileNotFoundError(f"There is no folder {root}.")
    parts = _parts(root)
    training = _read_part(root, parts["train"])
    if len(training.classes) < 2:
        raise ValueError(
            f"{parts['train']} must have a folder for each of at least two classes. It has only "
            f"{training.classes[0]}/."
        )
    for name in training.classes:
        if len(name.splitlines()) != 1 or not name.isprintable():
            raise ValueError(
                "The folders of classes must have names of one line of printable characters. "
                f"Received: {name!r} in {parts['train']}"
            )
    notes = list(training.notes)

    def other_part(name: str) -> FolderSplit:
        part = _read_part(root, parts[name])
        unknown = [name for name in part.classes if name not in training.classes]
        if unknown:
            raise ValueError(
                f"{parts[name]} must not have classes that {parts['train']} lacks. It has "
                f"{_listed(unknown)}."
            )
        missing = [name for name in training.classes if name not in part.classes]
        if missing:
            notes.append(f"{parts[name]} has no images of {_listed(missing)}.")
        notes.extend(part.notes)
        labels = [training.classes.index(part.classes[label]) for label in part.labels]
        return FolderSplit(root, part.files, labels, training.classes)

    def share(mask: np.ndarray) -> FolderSplit:
        files = [file for file, kept in zip(training.files, mask, strict=True) if kept]
        return FolderSplit(root, files, np.asarray(training.labels)[mask], training.classes)

    if "val" in parts:
        held = np.zeros(len(training.labels), bool)
        validation = other_part("val")
        note = f"The {validation.size:,} validation images are those in {parts['val']}."
    else:
        held = held_out(np.asarray(training.labels), validation_share, seed)
        if not held.any():
            raise ValueError(
                f"At least one class in {parts['train']} must have two images or more, so that one "
                "of them can be held out for validation."
            )
        validation = share(held)
        note = (
            f"The {held.sum():,} validation images were drawn from the {len(held):,} images in "
            f"{parts['train']}, evenly by class, with seed {seed}."
        )
    return DataSet(
        root.resolve().name,
        training.classes,
        share(~held),
        validation,
        other_part("test") if "test" in parts else None,
        note,
        tuple(notes),
    )


class _Part(NamedTuple):
    classes: tuple[str, ...]
    files: list[str]
    labels: list[int]
    notes: list[str]


def _parts(root: Path) -> dict[str, Path]:
    """Returns the folders of "train" and, if present, of "val" and "test"."""
    # A folder named train that has only files is a class: images of trains.
    found = {
        name: root / name
        for name in ("train", "val", "validation", "test")
        if (root / name).is_dir() and _folders(root / name)
    }
    if not found:
        return {"train": root}
    if "train" not in found:
        raise ValueError(
            f"{root} must have train/ beside {_listed(found)}, with a folder for every class."
        )
    if "val" in found and "validation" in found:
        raise ValueError(f"{root} must have either val/ or validation/. It has both.")
    if "validation" in found:
        found["val"] = found.pop("validation")
    return found


def _read_part(root: Path, folder: Path) -> _Part:
    """Returns the images of a folder's class folders."""
    classes = _folders(folder)
    if not classes:
        raise ValueError(
            f"{folder} must have a folder of images for every class. It has no folders."
        )
    files, labels, others = [], [], []
    for label, name in enumerate(classes):
        entries = _entries(folder / name)
        images = [
            entry.name
            for entry in entries
            if entry.name.lower().endswith(SUFFIXES) and not entry.is_dir()
        ]
        if not images:
            raise ValueError(
                f"{folder / name} must contain images ({_listed(SUFFIXES)}). It has none: add "
                "some, or remove the folder."
            )
        relative = os.path.relpath(folder / name, root)
        files += [os.path.join(relative, image) for image in images]
        labels += [label] * len(images)
        chosen = set(images)
        others += [os.path.join(relative, e.name) for e in entries if e.name not in chosen]
    others += [e.name for e in _entries(folder) if not e.is_dir()]
    notes = []
    if others:
        notes.append(
            f"{len(others):,} {'entry' if len(others) == 1 else 'entries'} of {folder} "
            f"{'is not an image and was' if len(others) == 1 else 'are not images and were'} "
            f"ignored: {_listed(others)}."
        )
    return _Part(tuple(classes), files, labels, notes)


def _folders(folder: Path) -> list[str]:
    return [entry.name for entry in _entries(folder) if entry.is_dir()]


def _entries(folder: Path) -> list[os.DirEntry]:
    """Returns the entries of a folder, sorted by name, without hidden files."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (entry for entry in entries if not entry.name.startswith(".")),
                key=lambda entry: entry.name,
            )
    except NotADirectoryError as error:
        raise ValueError(f"{folder} must be a folder. It is a file.") from error
    except PermissionError as error:
        raise ValueError(
            f"{folder} must be readable. This user has no permission to list it."
        ) from error


def _listed(names: Iterable[str], limit: int = 5) -> str:
    """Returns the first few names as text."""
    names = list(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit:,} more" * (len(names) > limit))
