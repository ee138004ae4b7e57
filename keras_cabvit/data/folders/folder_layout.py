"""Recognition of the layout of a data folder, and refusal of those that would be guessed wrong."""

import re
from dataclasses import dataclass
from pathlib import Path

from keras_cabvit.data.folders.folder_entries import list_folder
from keras_cabvit.data.folders.split_names import nearly_splits, split_of
from keras_cabvit.data.folders.written_folders import mark_of_output

# Levels below a folder at which class folders are looked for, to name the right path.
_DEPTH = 4


@dataclass(frozen=True)
class FolderLayout:
    """The layout of a data folder.

    Attributes:
        root: path of the folder.
        prefix: string before the paths that a message recommends.
    """

    root: Path
    prefix: str = ""

    def splits(self, top):
        """Returns a dict from "train", "val" and "test" to the name of the split's folder.

        Args:
            top: `Listing` of the folder.

        Returns:
            A dict, empty for a folder without splits.

        Raises:
            ValueError: a folder is named like a split but is not one, or a split has two folders.
        """
        root, found = self.root, {}
        nearly = nearly_splits(top.folders)
        flat, unknown = {}, {}
        for name in top.folders:
            split = split_of(name) or nearly.get(name)
            if split is None:
                continue
            inside = list_folder(root / name)
            marked = mark_of_output(root / name, inside, depth=0) is not None
            # One stray file, such as scores, makes no run of a folder with images in folders.
            if marked and not any(_is_class(root / name / each) for each in inside.folders):
                continue
            if inside.folders and name in nearly:
                unknown[name] = split
            elif inside.folders:
                found.setdefault(split, []).append(name)
            elif inside.images:
                flat[name] = (split, inside.images)
        if flat:
            self._refuse_flat(flat, found)
        if unknown:
            renames = ", ".join(f"{name}/ to {split}/" for name, split in unknown.items())
            raise ValueError(
                f"{root} has folders named like splits that are not understood. Rename {renames}, "
                "if that is what they are, or move them out of the folder."
            )
        for names in found.values():
            if len(names) > 1:
                raise ValueError(
                    f"{root} must have either {'/ or '.join(names)}/. They are spellings "
                    "of one split."
                )
        return {split: names[0] for split, names in found.items()}

    def check_classes(self, folder, listings):
        """Checks that the folders in a folder are classes, or have no images.

        Args:
            folder: path of the folder of a split, or of the root.
            listings: dict from the name of each folder in it to its `Listing`.

        Returns:
            A list of names, those of folders of runs and exports; they have no images.

        Raises:
            ValueError: class folders lie deeper, or a folder of a run has images.
        """
        deeper, written = [], []
        for name, inside in listings.items():
            mark = mark_of_output(folder / name, inside)
            below = (folder / name / child for child in inside.folders)
            holds_images = bool(inside.images) or any(map(_holds_images, below))
            if mark is not None and holds_images:
                raise ValueError(
                    f"{folder / name} was written by a run or an export (it has {mark}), and would "
                    f"be read as a class of {folder}. Move it out of the folder."
                )
            if mark is not None:
                written.append(name)
            elif holds_images and not inside.images:
                deeper.append(name)
        if deeper:
            self._refuse_deeper(folder, deeper, listings)
        return written

    def _refuse_flat(self, flat, found):
        root, one = self.root, len(flat) == 1
        # The images of the training split show the classes best.
        name, (split, images) = min(flat.items(), key=lambda item: item[1][0] != "train")
        split = name if split_of(name) else split
        beside = ""
        if one:
            beside = (
                f" If {name!r} is the name of a class, put all class folders into one folder: "
                f"{root / 'train' / name}."
            )
        if "train" in found:
            train = root / found["train"][0]
            beside += f" To read only the images in {train}, give {self.prefix}{train}."
        raise ValueError(
            f"{' and '.join(str(root / name) for name in flat)} {'is' if one else 'are'} named "
            f"like {'a split' if one else 'splits'} but {'has' if one else 'have'} images and no "
            "folders of classes. Put the images of each class into a folder of its own: "
            f"{root / split / _likely_class(images) / images[0]}, for example.{beside}"
        )

    def _refuse_deeper(self, folder, deeper, listings):
        name = deeper[0]
        children = listings[name].folders
        deeply = f"{folder / name} has no images, only folders of them: {', '.join(children[:5])}."
        if len(deeper) > 1 and all(
            split_of(child) and not list_folder(folder / name / child).folders for child in children
        ):
            raise ValueError(
                f"{folder / name} is divided into splits ({', '.join(children)}), but classes must "
                f"be inside splits: {folder / children[0] / name}, not "
                f"{folder / name / children[0]}."
            )
        if folder != self.root:
            raise ValueError(
                f"{deeply} The folders of classes must lie directly in {folder}: move them there "
                f"from {_innermost(folder / name)}."
            )
        paths = [f"{self.prefix}{_innermost(folder / name)}" for name in deeper[:3]]
        raise ValueError(
            f"{deeply} The folders of classes, or of splits, must lie directly in the folder that "
            f"is given, and images directly in the folders of classes: give {' or '.join(paths)}; "
            f"or, if {name} is a class, move its images directly into {folder / name}."
        )


def _likely_class(images):
    """Returns the word that names of files begin with, such as "cat" of "cat.0.jpg"."""
    words = [re.match(r"[^\W\d_]*", name)[0] for name in images]
    repeated = 1 < len({word.lower() for word in words}) < len(words)
    return words[0] if repeated and words[0] else "CLASS"


def _is_class(folder):
    """Returns whether images lie in a folder that is no output, such as another report."""
    listing = list_folder(folder)
    return bool(listing.images) and mark_of_output(folder, listing, depth=0) is None


def _holds_images(folder, depth=_DEPTH):
    listing = list_folder(folder)
    return bool(listing.images) or (
        depth > 0 and any(_holds_images(folder / name, depth - 1) for name in listing.folders)
    )


def _innermost(folder, depth=_DEPTH):
    """Returns the folder with the folders of classes or splits, inside folders of one folder."""
    listing = list_folder(folder)
    if depth == 0 or listing.images or len(listing.folders) != 1:
        return folder
    (name,) = listing.folders
    if split_of(name) or list_folder(folder / name).images:
        return folder
    return _innermost(folder / name, depth - 1)
