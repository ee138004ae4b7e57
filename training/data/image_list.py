"""The names of a folder's images by split and class, kept beside a run."""

import dataclasses
import gzip
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from keras_cabvit.atomic_files import atomic_path
from training.data.contents import digests_of
from training.data.data_set import DataSet
from training.data.folder_split import FolderSplit

IMAGES_FILE = "images.json.gz"

# From the name of a split to a dict from an image's name to the name of its class. A run's list has
# "contents" too, digests by name, and "earlier", what only the runs that it extends have learned.
ImageList = dict[str, dict[str, str]]


def image_list(data_set: DataSet) -> ImageList | None:
    """Returns the images of a folder; None for other data, whose images have no lasting names."""
    images = {}
    for name, split in data_set.splits().items():
        if not isinstance(split, FolderSplit):
            return None
        images[name] = dict(split.files_and_classes())
    return images


def image_digests(data_set: DataSet) -> dict[str, str]:
    """Returns a digest of the contents of each image of a folder, as far as they are read."""
    files: dict[str, str] = {}
    for split in data_set.splits().values():
        if isinstance(split, FolderSplit):
            names = (name for name, _ in split.files_and_classes())
            files |= zip(names, split.files(), strict=True)
    return digests_of(files)


def write_image_list(
    folder: Path, data_set: DataSet, earlier: Mapping[str, str] | None = None
) -> None:
    """Writes images.json.gz, if the data is a folder.

    Args:
        folder: path of the run's folder.
        data_set: `DataSet`.
        earlier: dict with the classes of images that the runs it extends were trained on, and that
            are no longer training images, by the digests of their contents or by name; or None.
    """
    images = image_list(data_set)
    if images is not None:
        images["contents"] = image_digests(data_set)
        if earlier:
            images["earlier"] = dict(earlier)
        with atomic_path(folder / IMAGES_FILE) as partial:
            # Without a time of its own, the file of the same images has the same bytes.
            partial.write_bytes(gzip.compress(json.dumps(images).encode("ascii"), mtime=0))


def read_image_list(folder: Path) -> ImageList | None:
    """Returns what `write_image_list` wrote, or None if there is nothing.

    Raises:
        ValueError: the file is damaged.
    """
    file = folder / IMAGES_FILE
    if not file.is_file():
        return None
    try:
        images = json.loads(gzip.decompress(file.read_bytes()))
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{file} is damaged: restore it from a copy. ({error})") from error
    if not _is_image_list(images):
        raise ValueError(
            f"{file} is damaged: it must give the class of every image, as text, under training "
            "and validation. Restore it from a copy."
        )
    return images


def _is_image_list(images: Any) -> bool:
    return (
        isinstance(images, dict)
        and {"training", "validation"} <= images.keys()
        and all(isinstance(split, dict) for split in images.values())
        and all(isinstance(label, str) for split in images.values() for label in split.values())
    )


def with_validation(data_set: DataSet, names: Collection[str], note: str) -> DataSet:
    """Returns a folder's data set in which other images are held out for validation.

    Args:
        data_set: `DataSet` of a folder.
        names: names of the validation images, among the training and validation images.
        note: a sentence on their origin.

    Raises:
        ValueError: the data is not a folder.
    """
    chosen = set(names)
    images = image_list(data_set)
    if images is None:
        raise ValueError(f"Only images of a folder are chosen by name. Received: {data_set.name}")
    pool = sorted((images["training"] | images["validation"]).items())
    root = data_set.source.removeprefix("folder:")
    numbers = {name: number for number, name in enumerate(data_set.class_names)}

    def split(held: bool) -> FolderSplit:
        part = [(name, numbers[label]) for name, label in pool if (name in chosen) == held]
        files, labels = [name for name, _ in part], [label for _, label in part]
        return FolderSplit(root, files, labels, data_set.class_names)

    splits = {name: "validation" if name in chosen else "training" for name, _ in pool}
    return dataclasses.replace(
        data_set,
        training=split(False),
        validation=split(True),
        validation_note=note,
        duplicates=data_set.duplicates.in_splits(splits),
    )


def with_validation_of(run: dict, data_set: DataSet) -> DataSet | None:
    """Returns a data set with the validation images that a run has chosen by name.

    None if the run has chosen none, or if its images are not those of the data set.

    Args:
        run: dict, the run.json of the run.
        data_set: `DataSet`.
    """
    names, now = run.get("validation_images"), image_list(data_set)
    if not isinstance(names, list) or now is None:
        return None
    if not set(names) <= {*now["training"], *now["validation"]}:
        return None
    chosen = with_validation(data_set, names, run.get("validation_note") or "")
    return chosen if has_images_of(run, chosen) else None


def has_images_of(run: dict, data_set: DataSet) -> bool:
    """Returns whether training and validation images are those of a run."""
    before, now = run.get("checksums") or {}, data_set.checksums()
    return all(before.get(name) == now[name] for name in ("training", "validation"))
