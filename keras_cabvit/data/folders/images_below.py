"""The images of a folder at any depth, whatever its folders are called."""

import os
from collections import Counter
from typing import NamedTuple

from keras_cabvit.data.folders.folder_entries import OTHER_FORMATS, SUFFIXES, list_folder
from keras_cabvit.paths import local_path


def images_below(folder, not_read=None, suffixes=SUFFIXES):
    """Yields the images of a folder and of all folders in it, sorted by their paths.

    Images are files that end in one of the suffixes, in any case; hidden files and folders are left
    out, and links are followed, but not back to a folder that holds them. Only the folders on the
    way to an image are kept in memory.

    Args:
        folder: path; "~" is expanded.
        not_read: `collections.Counter` that counts image files of formats that are not read, by
            suffix; None counts none.
        suffixes: tuple of strings. Defaults to those of the formats that are read.

    Yields:
        A `pathlib.Path` per image; also that of a folder inside that cannot be listed, and of a
        link that is named like an image and leads nowhere: its user misses it otherwise.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it is a file, or cannot be listed.
    """
    folder = local_path(folder)
    walk = _Walk(not_read, suffixes)
    return walk.below(folder, list_folder(folder), {_identity(folder)})


class _Walk(NamedTuple):
    not_read: Counter | None
    suffixes: tuple[str, ...]

    def below(self, folder, listing, above):
        """Yields the images of a folder; `above` identifies it and the folders that hold it."""
        if self.not_read is not None:
            kinds = (os.path.splitext(name)[1].lower() for name in listing.others)
            self.not_read.update(kind for kind in kinds if kind in OTHER_FORMATS)
        lost = (name for name in listing.unusable if not os.path.exists(folder / name))
        files = (*listing.images, *listing.others, *lost)
        images = [name for name in files if name.lower().endswith(self.suffixes)]
        folders = set(listing.folders)
        for name in sorted((*images, *listing.folders)):
            path = folder / name
            if name not in folders:
                yield path
                continue
            try:
                identity = _identity(path)
                if identity in above:
                    continue
                inside = list_folder(path)
            except (OSError, ValueError):
                yield path
                continue
            yield from self.below(path, inside, above | {identity})


def _identity(folder):
    status = os.stat(folder)
    return status.st_dev, status.st_ino
