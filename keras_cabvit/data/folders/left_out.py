"""Record of the entries of a data folder that are not read."""

import os
from dataclasses import dataclass

from keras_cabvit.data.folders.folder_entries import OTHER_FORMATS
from keras_cabvit.paths import path_text

OUTSIDE = "images outside class folders"
DEEPER = "folders inside class folders"
IMAGELESS = "folders without images"
BESIDE = "folders beside the splits"
WRITTEN = "runs and exports"
UNUSABLE = "unusable links and devices"
OTHERS = "other files"
HIDDEN = "hidden files"
_REASONS = {
    OUTSIDE: "no folder gives their class",
    DEEPER: "images must lie directly in the folder of their class",
    IMAGELESS: "no images lie directly in them",
    BESIDE: "only the folders of the splits are read",
    WRITTEN: "they are output, not data",
    UNUSABLE: "they lead nowhere, or back to themselves",
    OTHERS: "they are not images",
    HIDDEN: "their names begin with a dot, or a system put them there",
}


@dataclass(frozen=True)
class LeftOut:
    """Entries of one kind that were not read.

    Attributes:
        kind: string, such as "hidden files" or ".tif files".
        names: tuple of strings, paths relative to the data folder. A folder stands for everything
            in it.
        reason: string, the reason for leaving them out.
        images: integer, the images in folders that are named; None if they were not counted.
    """

    kind: str
    names: tuple[str, ...]
    reason: str
    images: int | None = None

    @property
    def title(self):
        """The kind, and the number of images if they were counted."""
        if self.images is None:
            return self.kind
        return f"{self.kind}, with {self.images:,} image{'s' * (self.images != 1)}"


class LeftOutEntries:
    """Collects entries that are not read, by kind."""

    def __init__(self):
        self._names = {kind: [] for kind in _REASONS}
        self._images = {}
        self._formats = {}

    def add(self, kind, *names, images=None):
        """Adds names of a kind, of folders with so many images if they were counted."""
        self._names[kind] += map(path_text, names)
        if images is not None:
            self._images[kind] = self._images.get(kind, 0) + images

    def add_files(self, listing, prefix=""):
        """Adds the other, hidden and unusable entries of a folder.

        Args:
            listing: `Listing`.
            prefix: string before each name, the folder's path relative to the data folder.
        """
        self.add_formats(listing, prefix)
        others = [name for name in listing.others if _suffix(name) not in OTHER_FORMATS]
        self.add(OTHERS, *(os.path.join(prefix, name) for name in others))
        self.add(HIDDEN, *(os.path.join(prefix, name) for name in listing.hidden))
        self.add(UNUSABLE, *(os.path.join(prefix, name) for name in listing.unusable))

    def add_formats(self, listing, prefix=""):
        """Adds the images of a folder in formats that are not read; see `add_files`."""
        for name in listing.others:
            if _suffix(name) in OTHER_FORMATS:
                names = self._formats.setdefault(_suffix(name), [])
                names.append(path_text(os.path.join(prefix, name)))

    def by_kind(self):
        """Returns a tuple of `LeftOut`, formats that are not read first, without empty kinds."""
        formats = [
            LeftOut(
                kind_of_format(suffix), tuple(names), "this format is not read; convert to JPEG"
            )
            for suffix, names in sorted(self._formats.items())
        ]
        kinds = [
            LeftOut(kind, tuple(names), _REASONS[kind], self._images.get(kind))
            for kind, names in self._names.items()
            if names
        ]
        return (*formats, *kinds)


def kind_of_format(suffix):
    """Returns the kind of files with a suffix, such as ".tif", of formats that are not read."""
    return f"{suffix} files"


def _suffix(name):
    return os.path.splitext(name)[1].lower()
