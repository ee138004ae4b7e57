"""A folder of photographs, with a subfolder for every class."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_cabvit.data.folders.folder_entries import SUFFIXES, list_folder
from keras_cabvit.data.folders.image_folder import (
    FolderPart,
    ImageFolder,
    conversion_advice,
    left_out_note,
    read_image_folder,
)
from keras_cabvit.data.listed import listed
from training.data.data_set import DataSet
from training.data.duplicates import Duplicates, alike_images, find_duplicates
from training.data.folder_split import FolderSplit
from training.data.label_table import read_label_table
from training.data.stratified import held_out

_OR_TABLE = " Or give the classes of its images in a table: --data.labels FILE.csv."


@dataclass(frozen=True)
class Draw:
    """The draw of validation images from a folder without any.

    Attributes:
        share: share of every class's training images that is held out.
        seed: integer.
        group_duplicates: whether near duplicates are looked for; they stay together.
    """

    share: float
    seed: int
    group_duplicates: bool = False


def image_folder(
    path: str | os.PathLike,
    draw: Draw,
    to_train: bool = True,
    labels: str | os.PathLike | None = None,
) -> DataSet:
    """Opens a folder of images.

    `read_image_folder` says which layouts it may have, and `read_label_table` what a table of
    labels looks like. Without validation images these are drawn from the training images, evenly by
    class. Labels are in the order of the sorted names.

    Args:
        path: the folder.
        draw: `Draw` of the validation images.
        to_train: whether the images must be enough to train on. Otherwise one class is enough, or a
            folder of only test images; splits may be without images.
        labels: table of files, classes and splits; None takes them from the names of folders.

    Returns:
        A `DataSet`.

    Raises:
        ValueError: the folder cannot be read, or not be trained on; the message says why.
        FileNotFoundError: there is no such folder or table.
    """
    found = _Found.read(path, labels)
    if to_train:
        found.check(labels)
    if not any(part.files for part in found.parts.values()):
        raise ValueError(
            f"{found.root} must have a folder of images for every class. It has no folders of "
            f"images ({', '.join(SUFFIXES)}).{found.advice}"
        )
    training, alike = found.training, None
    if draw.group_duplicates and training is not None:
        files = [file for part in found.parts.values() for file in part.files]
        alike = alike_images(found.root, files)
    notes = [
        *conversion_advice(found.folder),
        *found.missing_classes(),
        *_classes_spelled_alike(found.class_names),
    ]
    if "val" in found.parts or training is None or not training.files:
        kept, validation = found.split(found.trained), found.split("val")
        where = f"those in {found.titles['val']}" if "val" in found.parts else "none"
        note = f"The {validation.size:,} validation images are {where}."
    else:
        groups = None if alike is None else alike.of(training.files)
        kept, validation, note = _drawn(found, training, draw, groups)
        if to_train and not validation.size:
            raise ValueError(
                f"At least one class in {found.titles[found.trained]} must have two images or "
                "more, so that one of them can be held out for validation."
            )
    test = found.split("test") if "test" in found.parts else None
    duplicates = Duplicates()
    if alike is not None:
        splits = {"training": kept, "validation": validation, "test": test}
        duplicates = find_duplicates(
            alike, {name: each.files_and_classes() for name, each in splits.items() if each}
        )
    return DataSet(
        name=found.root.resolve().name,
        class_names=found.class_names,
        training=kept,
        validation=validation,
        test=test,
        validation_note=note,
        notes=tuple(notes),
        left_out=found.folder.left_out,
        left_out_note=left_out_note(found.folder),
        source=f"folder:{found.root.resolve()}",
        duplicates=duplicates,
    )


@dataclass(frozen=True)
class _Found:
    """The images that were found in a folder.

    Attributes:
        folder: `ImageFolder`.
        titles: dict from the name of a part to its name in messages.
    """

    folder: ImageFolder
    titles: dict[str, str]

    @classmethod
    def read(cls, path: str | os.PathLike, labels: str | os.PathLike | None) -> "_Found":
        """Finds the images by the names of folders, or in a table of labels."""
        if labels is None:
            folder = read_image_folder(path, prefix="folder:")
            return cls(folder, {name: str(part.source) for name, part in folder.parts.items()})
        folder = read_label_table(path, labels)
        titles = {
            name: str(part.source) if name == "all" else f'split "{name}" of {part.source}'
            for name, part in folder.parts.items()
        }
        return cls(folder, titles)

    @property
    def root(self) -> Path:
        return self.folder.root

    @property
    def parts(self) -> dict[str, FolderPart]:
        return self.folder.parts

    @property
    def trained(self) -> str:
        """The name of the part with the training images."""
        return "train" if "train" in self.parts else "all"

    @property
    def training(self) -> FolderPart | None:
        return self.parts.get(self.trained)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of the training images, or of all images if there are none."""
        if self.training is not None and self.training.files:
            return self.training.classes
        return tuple(sorted({name for part in self.parts.values() for name in part.classes}))

    @property
    def advice(self) -> str:
        """A sentence on photographs that must be converted, for the end of a message."""
        return "".join(f" {sentence}" for sentence in conversion_advice(self.folder))

    def check(self, labels: str | os.PathLike | None) -> None:
        """Raises a ValueError if the training images are not enough to train on."""
        if labels is None:
            _check_folders(self.root, self.parts, self.training, self.advice)
        else:
            _check_table(labels, self.training)

    def missing_classes(self) -> list[str]:
        """Returns a sentence for each part that lacks classes of the training images."""
        notes = []
        for name in ("val", "test"):
            if name in self.parts:
                classes = self.parts[name].classes
                missing = [each for each in self.class_names if each not in classes]
                if missing:
                    notes.append(f"{self.titles[name]} has no images of {listed(missing)}.")
        return notes

    def split(self, name: str) -> FolderSplit:
        """Returns the split of a part; an empty one if there is no such part."""
        class_names = self.class_names
        if name not in self.parts:
            return FolderSplit(self.root, (), (), class_names)
        part = self.parts[name]
        known = {each: number for number, each in enumerate(class_names)}
        unknown = [each for each in part.classes if each not in known]
        if unknown:
            raise ValueError(
                f"{self.titles[name]} must not have classes that {self.titles[self.trained]} "
                f"lacks. It has {listed(unknown)}.{_spelled_alike(unknown[0], class_names)}"
            )
        numbers = [known[part.classes[label]] for label in part.labels]
        return FolderSplit(self.root, part.files, numbers, class_names)


def _drawn(
    found: _Found, training: FolderPart, draw: Draw, groups: np.ndarray | None
) -> tuple[FolderSplit, FolderSplit, str]:
    """Returns training and validation images drawn from a part, and a sentence on the draw."""
    held = held_out(np.asarray(training.labels), draw.share, draw.seed, groups)
    note = (
        f"The {held.sum():,} validation images were drawn from the {len(held):,} images in "
        f"{found.titles[found.trained]}, evenly by class, with seed {draw.seed}."
    )
    if groups is not None and len(np.unique(groups)) < len(groups):
        note += " Near duplicates, such as the pictures of a burst, stayed together."
    kept, validation = (_share(found.root, training, mask) for mask in (~held, held))
    return kept, validation, note


def _check_folders(
    root: Path, parts: dict[str, FolderPart], training: FolderPart | None, advice: str
) -> None:
    """Raises ValueError if the images of folders are not enough; the message ends with `advice`."""
    if training is None:
        raise ValueError(
            f"{root} must have train/ beside "
            f"{listed([part.source.name for part in parts.values()])}, with a folder for every "
            f"class.{advice}"
        )
    folder = training.source
    if training.imageless:
        name = training.imageless[0]
        raise ValueError(
            f"{folder / name} must contain images ({', '.join(SUFFIXES)}). It has none"
            f"{_contents(folder / name)}: add some, or remove the folder.{advice}"
        )
    if not training.classes:
        raise ValueError(
            f"{folder} must have a folder of images for every class. It has no folders.{_OR_TABLE}"
            f"{advice}"
        )
    if len(training.classes) < 2:
        raise ValueError(
            f"{folder} must have a folder for each of at least two classes. It has only "
            f"{training.classes[0]}/.{_OR_TABLE}{advice}"
        )
    for name in ("val", "test"):
        if name in parts and not parts[name].files:
            raise ValueError(
                f"{parts[name].source} must have a folder of images for every class, or be "
                f"removed.{advice}"
            )


def _check_table(labels: str | os.PathLike, training: FolderPart | None) -> None:
    """Raises ValueError if the training images of a table are not enough."""
    if training is None:
        raise ValueError(f'{labels} must list images of the split "train". It lists none.')
    if len(training.classes) < 2:
        raise ValueError(
            f"{labels} must list training images of at least two classes. It has only "
            f"{training.classes[0]}."
        )


def _contents(folder: Path) -> str:
    """Describes the files in a folder without images."""
    others = list_folder(folder).others
    return f", only other files ({listed(others, 3)})" if others else ""


def _spelled_alike(name: str, known: Sequence[str]) -> str:
    """Returns a sentence that names the class that a name is nearly the same as, if any."""
    alike = [other for other in known if _letters(other) == _letters(name)]
    return f" Is {name} the class {alike[0]}? Give them one name." if alike else ""


def _classes_spelled_alike(names: Sequence[str]) -> list[str]:
    """Returns a sentence for classes whose names differ by case, spaces or hyphens only."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_letters(name), []).append(name)
    return [
        f"{listed(spellings)} are different classes, though their names differ only by case, "
        "spaces or hyphens. If they are one, give them one name."
        for spellings in alike.values()
        if len(spellings) > 1
    ]


def _letters(name: str) -> str:
    """Returns a name without case, spaces, hyphens and invisible joiners."""
    return re.sub(r"[\s_\u200c\u200d-]", "", name.casefold())


def _share(root: Path, part: FolderPart, mask: np.ndarray) -> FolderSplit:
    """Returns the split of those images of a part that a mask selects."""
    files = [file for file, kept in zip(part.files, mask, strict=True) if kept]
    return FolderSplit(root, files, np.asarray(part.labels, int)[mask], part.classes)
