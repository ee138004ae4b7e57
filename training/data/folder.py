"""A folder of photographs, with a subfolder for every class."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_cabvit.data.folders.folder_entries import SUFFIXES, list_folder
from keras_cabvit.data.folders.image_folder import (
    FolderPart,
    conversion_advice,
    left_out_sentences,
    read_image_folder,
)
from keras_cabvit.data.listed import listed
from training.data.data_set import DataSet
from training.data.duplicates import Duplicates, alike_images, find_duplicates
from training.data.label_table import read_label_table
from training.data.split import Example, RandomAccessSplit, checksum_of, counts_of
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
        self._names = tuple(files)
        with tf.device("CPU"):
            self._files = tf.constant([os.fsencode(file) for file in files], tf.string)
            self._labels = tf.constant(labels, tf.int64)

    def at(self, index: tf.Tensor) -> Example:
        """Returns the example with a number."""
        return {"name": self._files[index], "label": self._labels[index]}

    def files_and_classes(self) -> list[tuple[str, str]]:
        """Returns the path of every image, relative to the root, and the name of its class."""
        classes = [self.class_names[label] for label in self._labels.numpy()]
        return list(zip(self._names, classes, strict=True))

    def class_counts(self) -> tuple[int, ...]:
        """Returns the number of images of each class."""
        return counts_of(self._labels.numpy(), self.class_names)

    def checksum(self) -> str:
        """Returns the checksum of the files' relative paths and of the labels."""
        return checksum_of(b"\0".join(self._files.numpy()), self._labels.numpy())

    def files(self) -> list[str]:
        """Returns the absolute path of each image's file."""
        return [os.fsdecode(self._root + file) for file in self._files.numpy()]

    def image(self, example: Example) -> tf.Tensor:
        """Returns the content of an example's file."""
        return tf.io.read_file(tf.strings.join([self._root, example["name"]]))


def image_folder(
    path: str | os.PathLike,
    validation_share: float,
    seed: int,
    to_train: bool = True,
    group_duplicates: bool = False,
    labels: str | os.PathLike | None = None,
) -> DataSet:
    """Opens a folder of images.

    `read_image_folder` says which layouts it may have, and `read_label_table` what a table of
    labels looks like. Without validation images these are drawn from the training images, evenly by
    class. Labels are in the order of the sorted names.

    Args:
        path: the folder.
        validation_share: share of every class's training images that is held out if there is no
            folder of validation images.
        seed: integer, the seed of this draw.
        to_train: whether the images must be enough to train on. Otherwise one class is enough, or a
            folder of test images alone; splits may be without images.
        group_duplicates: whether near duplicates are looked for; they stay together in the draw.
        labels: table of files, classes and splits; None takes them from the names of folders.

    Returns:
        A `DataSet`.

    Raises:
        ValueError: the folder cannot be read, or not be trained on; the message says why.
        FileNotFoundError: there is no such folder or table.
    """
    if labels is None:
        found = read_image_folder(path, prefix="folder:")
        titles = {name: str(part.folder) for name, part in found.parts.items()}
    else:
        found = read_label_table(path, labels)
        titles = {
            name: str(part.folder) if name == "all" else f'split "{name}" of {part.folder}'
            for name, part in found.parts.items()
        }
    root, parts = found.root, found.parts
    trained = "train" if "train" in parts else "all"
    training = parts.get(trained)
    advice = "".join(f" {sentence}" for sentence in conversion_advice(found))
    if to_train:
        if labels is None:
            training = _checked(root, parts, training, advice)
        else:
            training = _checked_table(labels, training)
    if not any(part.files for part in parts.values()):
        raise ValueError(
            f"{root} must have a folder of images for every class. It has no folders of images "
            f"({', '.join(SUFFIXES)}).{advice}"
        )
    notes = list(left_out_sentences(found))
    if training is not None:
        class_names = training.classes
    else:
        class_names = tuple(sorted({name for part in parts.values() for name in part.classes}))

    alike = None
    if group_duplicates and training is not None:
        alike = alike_images(root, [file for part in parts.values() for file in part.files])

    def split(name: str) -> FolderSplit:
        if name not in parts:
            return FolderSplit(root, (), (), class_names)
        part, title = parts[name], titles[name]
        unknown = [name for name in part.classes if name not in class_names]
        if unknown and training is not None:
            raise ValueError(
                f"{title} must not have classes that {titles[trained]} lacks. It has "
                f"{listed(unknown)}.{_spelled_alike(unknown[0], class_names)}"
            )
        numbers = [class_names.index(part.classes[label]) for label in part.labels]
        return FolderSplit(root, part.files, numbers, class_names)

    for name in ("val", "test"):
        if name in parts:
            missing = [each for each in class_names if each not in parts[name].classes]
            if missing:
                notes.append(f"{titles[name]} has no images of {listed(missing)}.")
    if "val" in parts or training is None:
        kept = split(trained)
        validation = split("val")
        where = f"those in {titles['val']}" if "val" in parts else "none"
        note = f"The {validation.size:,} validation images are {where}."
    else:
        groups = None if alike is None else alike.of(training.files)
        held = held_out(np.asarray(training.labels), validation_share, seed, groups)
        if to_train and not held.any():
            raise ValueError(
                f"At least one class in {titles[trained]} must have two images or more, so that "
                "one of them can be held out for validation."
            )
        kept, validation = (_share(root, training, mask) for mask in (~held, held))
        note = (
            f"The {held.sum():,} validation images were drawn from the {len(held):,} images in "
            f"{titles[trained]}, evenly by class, with seed {seed}."
        )
        if groups is not None and len(np.unique(groups)) < len(groups):
            note += " Near duplicates, such as the pictures of a burst, stayed together."
    test = split("test") if "test" in parts else None
    duplicates = Duplicates()
    if alike is not None:
        splits = {"training": kept, "validation": validation, "test": test}
        duplicates = find_duplicates(
            alike, {name: each.files_and_classes() for name, each in splits.items() if each}
        )
    return DataSet(
        root.resolve().name,
        class_names,
        kept,
        validation,
        test,
        note,
        (*notes, *duplicates.sentences()),
        found.left_out,
        f"folder:{root.resolve()}",
        duplicates,
    )


def _checked(
    root: Path, parts: dict[str, FolderPart], training: FolderPart | None, advice: str
) -> FolderPart:
    """Returns the training images, or raises ValueError if they are not enough to train on.

    The message ends with `advice`.
    """
    if training is None:
        raise ValueError(
            f"{root} must have train/ beside "
            f"{listed([part.folder.name for part in parts.values()])}, with a folder for every "
            f"class.{advice}"
        )
    folder = training.folder
    if training.imageless:
        name = training.imageless[0]
        raise ValueError(
            f"{folder / name} must contain images ({', '.join(SUFFIXES)}). It has none"
            f"{_contents(folder / name)}: add some, or remove the folder.{advice}"
        )
    if not training.classes:
        raise ValueError(
            f"{folder} must have a folder of images for every class. It has no folders.{advice}"
        )
    if len(training.classes) < 2:
        raise ValueError(
            f"{folder} must have a folder for each of at least two classes. It has only "
            f"{training.classes[0]}/.{advice}"
        )
    for name in ("val", "test"):
        if name in parts and not parts[name].files:
            raise ValueError(
                f"{parts[name].folder} must have a folder of images for every class, or be "
                f"removed.{advice}"
            )
    return training


def _checked_table(labels: str | os.PathLike, training: FolderPart | None) -> FolderPart:
    """Returns the training images, or raises ValueError if they are not enough to train on."""
    if training is None:
        raise ValueError(f'{labels} must list images of the split "train". It lists none.')
    if len(training.classes) < 2:
        raise ValueError(
            f"{labels} must list training images of at least two classes. It has only "
            f"{training.classes[0]}."
        )
    return training


def _contents(folder: Path) -> str:
    """Describes the files in a folder without images."""
    others = list_folder(folder).others
    return f", only other files ({listed(others, 3)})" if others else ""


def _spelled_alike(name: str, known: Sequence[str]) -> str:
    """Returns a sentence that names the class that a name differs from by case only, if any."""
    alike = [other for other in known if other.casefold() == name.casefold()]
    return f" Is {name} the class {alike[0]}? Give them one name." if alike else ""


def _share(root: Path, part: FolderPart, mask: np.ndarray) -> FolderSplit:
    """Returns the split of those images of a part that a mask selects."""
    files = [file for file, kept in zip(part.files, mask, strict=True) if kept]
    return FolderSplit(root, files, np.asarray(part.labels, int)[mask], part.classes)
