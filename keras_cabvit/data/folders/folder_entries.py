"""The entries of one folder: images, folders, other files, and what a system put there."""

import os
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp")
# What phones and cameras call HEIC, and the formats that `cabvit convert-images` turns into JPEG.
HEIF = (".heic", ".heif", ".hif")
CONVERTIBLE = (*HEIF, ".avif", ".tif", ".tiff")
# Image formats that are not read: their files are named by kind.
OTHER_FORMATS = frozenset(
    [
        *CONVERTIBLE,
        *(".arw", ".cr2", ".cr3", ".dcm", ".dng", ".exr", ".hdr", ".ico", ".j2k", ".jp2", ".jxl"),
        *(".nef", ".orf", ".pbm", ".pcx", ".pgm", ".pnm", ".ppm", ".psd", ".raf", ".raw", ".rw2"),
        *(".svg", ".tga"),
    ]
)
# Files and folders that operating systems and storage devices put beside a user's own.
_OF_SYSTEMS = frozenset(
    [
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
        *("__macosx", "icon\r", "@eadir", "lost+found", "__pycache__"),
    ]
)


@dataclass(frozen=True)
class Listing:
    """The entries of one folder by kind, each kind sorted by name.

    Attributes:
        images: names of files that end in one of `SUFFIXES`, in lower or upper case.
        folders: names of folders, linked ones included.
        others: names of other files.
        hidden: names of files and folders that begin with a dot or belong to a system.
        unusable: names of links that lead nowhere, of sockets and the like.
    """

    images: tuple[str, ...]
    folders: tuple[str, ...]
    others: tuple[str, ...]
    hidden: tuple[str, ...]
    unusable: tuple[str, ...]


def list_folder(folder):
    """Returns the entries of a folder.

    Args:
        folder: path.

    Returns:
        A `Listing`.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it is a file, or cannot be listed.
    """
    folder = Path(folder)
    try:
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no folder {folder}.") from error
    except NotADirectoryError as error:
        raise ValueError(f"{folder} must be a folder. It is a file.") from error
    except PermissionError as error:
        raise ValueError(
            f"{folder} must be readable. This user has no permission to list it."
        ) from error
    except (OSError, ValueError) as error:  # an endless link, a name with a null byte
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{folder} cannot be listed: {reason}.") from error
    found = {"images": [], "folders": [], "others": [], "hidden": [], "unusable": []}
    for entry in ordered:
        found[_kind(entry)].append(entry.name)
    return Listing(**{kind: tuple(names) for kind, names in found.items()})


def is_image(name):
    """Returns whether the name of a file is that of an image."""
    return name.lower().endswith(SUFFIXES)


def _kind(entry):
    name = entry.name
    if name.startswith(".") or name.lower() in _OF_SYSTEMS:
        return "hidden"
    try:
        if entry.is_dir():
            return "folders"
        if not entry.is_file():
            return "unusable"
    except OSError:  # an endless link
        return "unusable"
    return "images" if is_image(name) else "others"
