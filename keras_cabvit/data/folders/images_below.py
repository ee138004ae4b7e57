"""The images of a folder at any depth, without a meaning of its folders."""

import os

from keras_cabvit.data.folders.folder_entries import OTHER_FORMATS, list_folder
from keras_cabvit.paths import local_path


def images_below(folder, not_read=None):
    """Yields the images of a folder and of all folders in it, sorted by their paths.

    Images are files that end in one of `SUFFIXES`, in any case; hidden files and folders are left
    out, and links are followed, but not back to a folder that holds them. Only the folders on the
    way to an image are kept in memory.

    Args:
        folder: path; "~" is expanded.
        not_read: `collections.Counter` that counts image files of formats that are not read, by
            suffix; None counts none.

    Yields:
        A `pathlib.Path` per image; also that of a folder inside that cannot be listed.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it is a file, or cannot be listed.
    """
    folder = local_path(folder)
    return _below(folder, list_folder(folder), {_identity(folder)}, not_read)


def _below(folder, listing, above, not_read):
    if not_read is not None:
        suffixes = (os.path.splitext(name)[1].lower() for name in listing.others)
        not_read.update(suffix for suffix in suffixes if suffix in OTHER_FORMATS)
    folders = set(listing.folders)
    for name in sorted((*listing.images, *listing.folders)):
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
        yield from _below(path, inside, above | {identity}, not_read)


def _identity(folder):
    status = os.stat(folder)
    return status.st_dev, status.st_ino
