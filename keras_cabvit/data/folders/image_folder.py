"""The images of a folder: the one reader for training, evaluation, `cabvit verify`, calibration."""

import contextlib
import os
import shlex
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_cabvit.data.folders import left_out as kinds
from keras_cabvit.data.folders.folder_entries import (
    CONVERTIBLE,
    SUFFIXES,
    is_image,
    list_folder,
)
from keras_cabvit.data.folders.folder_layout import FolderLayout
from keras_cabvit.data.folders.images_below import images_below
from keras_cabvit.data.folders.left_out import LeftOut, LeftOutEntries
from keras_cabvit.data.folders.split_names import split_of
from keras_cabvit.data.folders.written_folders import mark_of_output
from keras_cabvit.data.listed import listed
from keras_cabvit.paths import local_path
from keras_cabvit.printable import is_printable

_CONVERTIBLE_KINDS = frozenset(kinds.kind_of_format(suffix) for suffix in CONVERTIBLE)


@dataclass(frozen=True)
class FolderPart:
    """The images of one split, or of a folder without splits.

    Attributes:
        source: path of the folder that holds the class folders, or of the table that lists the
            images.
        classes: tuple of strings, the sorted names of the classes that have images, in NFC; empty
            if the images lie in `source` itself.
        files: tuple of paths relative to the data folder, sorted by class and name.
        labels: tuple of integers, indices into `classes`, one per file; empty without classes.
        imageless: tuple of strings, names of folders without images, but for runs and exports.
    """

    source: Path
    classes: tuple[str, ...]
    files: tuple[str, ...]
    labels: tuple[int, ...]
    imageless: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder.

    Attributes:
        root: path of the folder.
        parts: dict from "train", "val" and "test", those that there are, to `FolderPart`; or from
            "all" for a folder without splits.
        left_out: tuple of `LeftOut`, everything in the folder that is not read.
    """

    root: Path
    parts: dict[str, FolderPart]
    left_out: tuple[LeftOut, ...]


def read_image_folder(path, unlabelled=False, prefix=""):
    """Finds the images of a folder, and their classes and splits, by name.

    The folder has one folder per class, named after the class, in which images lie directly. Or it
    has a folder per split: train (or training), val (valid, validation, dev) and test (testing,
    eval, evaluation), in any case, each with a folder per class. Links to folders and files are
    followed. Images are files that end in one of `SUFFIXES`, in any case; no file is opened.

    Refused rather than guessed are: folders named like splits, such as "train" or "test1", that
    hold images without class folders; folders of splits by names that are not understood, such as
    "training_set"; two spellings of one split; class folders that lie deeper; and folders of runs
    and exports with images where a class is expected.

    Args:
        path: the folder; "~" is expanded.
        unlabelled: whether images may lie in the folder itself, if there are no class folders.
        prefix: string before the paths that a message recommends: "folder:" for training.

    Returns:
        An `ImageFolder`.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder is none of these, or cannot be listed.
    """
    root = local_path(path)
    top = list_folder(root)
    left_out = LeftOutEntries()
    splits = FolderLayout(root, prefix).splits(top)
    if splits:
        parts = {
            split: _read_part(root, root / name, left_out, prefix) for split, name in splits.items()
        }
        left_out.add_files(top)
        left_out.add(kinds.OUTSIDE, *top.images)
        for name in top.folders:
            if name not in splits.values():
                left_out.add(_kind_beside_splits(root / name), name)
    else:
        parts = {"all": _read_part(root, root, left_out, prefix, unlabelled)}
    return ImageFolder(root, parts, left_out.by_kind())


@dataclass(frozen=True)
class FolderImages:
    """Image files to check or calibrate a model with.

    Attributes:
        files: list of paths.
        labels: integers (count,), indices into `classes`; None if the folder has no class folders.
        classes: tuple of strings.
        notes: tuple of sentences on the split that was taken, and on what was left out.
    """

    files: list[Path]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def images_of_folder(folder, splits):
    """Returns the images of one split, or of a folder without splits.

    Args:
        folder: path, as `read_image_folder` takes it; the images may also lie in it directly.
        splits: names of splits, of which the first that has images is taken.

    Returns:
        `FolderImages`.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder cannot be read, or has no images.
    """
    folder = local_path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"There is no folder of images at {folder}.")
    found = read_image_folder(folder, unlabelled=True)
    names = [name for name in ("all", *splits) if name in found.parts and found.parts[name].files]
    if not names:
        raise ValueError(
            f"There are no images in {folder}: files ending in {', '.join(SUFFIXES)}."
            + "".join(f" {sentence}" for sentence in left_out_sentences(found))
        )
    part = found.parts[names[0]]
    notes = [] if names[0] == "all" else [f"The images are those in {part.source}."]
    return FolderImages(
        [found.root / file for file in part.files],
        np.array(part.labels) if part.classes else None,
        part.classes,
        (*notes, *left_out_sentences(found)),
    )


def left_out_sentences(found):
    """Returns a tuple of sentences, empty if nothing was left out.

    The first names everything that was. A second one gives the command that converts photographs in
    formats that are not read, if there are any.

    Args:
        found: `ImageFolder`.
    """
    return (left_out_note(found), *conversion_advice(found)) if found.left_out else ()


def left_out_note(found):
    """Returns a sentence that names everything that was left out; empty if nothing was.

    Args:
        found: `ImageFolder`.
    """
    if not found.left_out:
        return ""
    words = [f"{left.title} ({listed(left.names, 3)})" for left in found.left_out]
    return f"Not read in {found.root}: {'; '.join(words)}."


def conversion_advice(found):
    """Returns a tuple of a sentence with the command that makes images of a folder readable.

    It is empty if the folder has none that need it.

    Args:
        found: `ImageFolder`.
    """
    count = sum(len(left.names) for left in found.left_out if left.kind in _CONVERTIBLE_KINDS)
    if not count:
        return ()
    root = found.root.resolve()
    images = "1 photograph is" if count == 1 else f"{count:,} photographs are"
    command = shlex.join(["cabvit", "convert-images", str(root), f"{root}-jpeg"])
    return (
        f"{images} in a format that is not read. This command writes a folder with JPEG copies: "
        f"{command}",
    )


def _read_part(root, folder, left_out, prefix, unlabelled=False):
    """Returns the `FolderPart` of a folder of class folders."""
    listing = list_folder(folder)
    below = "" if folder == root else os.path.relpath(folder, root)
    left_out.add_files(listing, below)
    loops = [name for name in listing.folders if _is_loop(folder / name)]
    left_out.add(kinds.UNUSABLE, *(os.path.join(below, name) for name in loops))
    folders = [name for name in listing.folders if name not in loops]
    listings = {name: list_folder(folder / name) for name in folders}
    written = FolderLayout(root, prefix).check_classes(folder, listings)
    left_out.add(kinds.WRITTEN, *(os.path.join(below, name) for name in written))
    imageless = [
        name for name, inside in listings.items() if not inside.images and name not in written
    ]
    left_out.add(kinds.IMAGELESS, *(os.path.join(below, name) for name in imageless))
    for name in imageless:  # they may have nothing but photographs in HEIC
        left_out.add_formats(listings[name], os.path.join(below, name))
    names = _class_names(folder, [name for name, inside in listings.items() if inside.images])
    images = [os.path.join(below, name) for name in listing.images]
    if unlabelled and not names:
        return FolderPart(folder, (), tuple(images), (), tuple(imageless))
    left_out.add(kinds.OUTSIDE, *images)
    files, labels = [], []
    for label, name in enumerate(names.values()):
        relative, inside = os.path.join(below, name), listings[name]
        files += [os.path.join(relative, image) for image in inside.images]
        labels += [label] * len(inside.images)
        left_out.add_files(inside, relative)
        deeper = [os.path.join(relative, name) for name in inside.folders]
        left_out.add(kinds.DEEPER, *deeper, images=_count_below(root, deeper))
    return FolderPart(folder, tuple(names), tuple(files), tuple(labels), tuple(imageless))


def _kind_beside_splits(folder):
    if split_of(folder.name):
        return kinds.IMAGELESS
    return kinds.BESIDE if mark_of_output(folder) is None else kinds.WRITTEN


def _count_below(root, folders):
    """Returns the number of images in folders and in all folders below them."""
    count = 0
    for folder in folders:
        with contextlib.suppress(OSError, ValueError):  # it cannot be listed
            count += sum(is_image(path.name) for path in images_below(root / folder))
    return count


def _is_loop(folder):
    """Returns whether a folder is a link to a folder that holds it."""
    return folder.is_symlink() and any(folder.samefile(parent) for parent in folder.parents)


def _class_names(folder, names):
    """Returns a dict from the sorted names of classes to their folders' names.

    macOS stores accented letters as two characters (NFD), other systems as one (NFC).
    """
    folders = {}
    for name in names:
        class_name = unicodedata.normalize("NFC", name)
        if not is_printable(class_name) or not class_name.strip():
            raise ValueError(
                "The folders of classes must have names of one line of printable characters. "
                f"Received: {name!r} in {folder}"
            )
        if class_name in folders:
            raise ValueError(
                f"Two folders in {folder} have the name {class_name!r}, in two Unicode forms. Move "
                "their images into one folder."
            )
        folders[class_name] = name
    return dict(sorted(folders.items()))
