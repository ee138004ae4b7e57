"""JPEG copies of the photographs of a folder that are in formats which are not read."""

import collections
import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from keras_cabvit.atomic_files import atomic_path, remove_abandoned
from keras_cabvit.data.folders.folder_entries import CONVERTIBLE, HEIF, SUFFIXES, list_folder
from keras_cabvit.data.folders.images_below import images_below
from keras_cabvit.data.upright import turned_upright
from keras_cabvit.paths import local_path

_QUALITY = 95
# Pixels, of the library that writes JPEG files.
_LONGEST_SIDE = 65_500
# Nanoseconds between two times that FAT can store; those of most file systems are finer.
_COARSEST_TIME = 2_000_000_000
# JPEG's EXIF segment has at most 65,535 bytes.
_LONGEST_EXIF = 65_000


@dataclass
class Conversion:
    """The files of a folder, by their fate; paths are relative to the folder.

    Attributes:
        converted: files of which a JPEG copy was written.
        copied: images in formats that are read, copied as they are.
        done: files whose copies an earlier call had written.
        broken: dict from file to the reason, a string, for which it could not be converted.
    """

    converted: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)


def convert_images(
    folder: str | os.PathLike,
    out: str | os.PathLike,
    tell: Callable[[int, int], None] = lambda done, count: None,
) -> Conversion:
    """Writes a folder of images that training and all other programs read.

    Files in HEIC, AVIF and TIFF become JPEG files of quality 95, the right way up; all other images
    are copied as they are. Folders inside the folder are kept. The colour profile is kept, and,
    except for TIFF, the EXIF (date, camera, place), if Pillow can write its tags. Transparency is
    dropped, and of several pages the first is taken, as in `decode_rgb`. HEIC and AVIF files that
    some programs name .jpg are converted too. Nothing in `folder` is changed. A call that was
    interrupted resumes: copies that are there are not written again, even if they were edited,
    unless their source was changed or replaced since, by a newer or an older file.

    IMG_1.HEIC becomes IMG_1.jpg, or IMG_1.HEIC.jpg beside another image IMG_1, or
    IMG_1.HEIC.jpg.jpg if there is one of that name too.

    Args:
        folder: path of the folder.
        out: path of the folder to write, outside of `folder`. It is created if it is missing.
        tell: function of the number of files that are finished and that of all, called after each.

    Returns:
        A `Conversion`.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it has no images, or one folder lies in the other.
        ImportError: pillow-heif or Pillow is not installed; the message says how to install it.
        OSError: a file cannot be written.
    """
    folder = local_path(folder)
    # Absolute: a name in it may begin with ~, and is no home folder.
    out = local_path(out, "out").absolute()
    targets = _targets(folder)
    if not targets:
        raise ValueError(f"There are no images in {folder}.")
    source, target = Path(os.path.realpath(folder)), Path(os.path.realpath(out))
    if target.is_relative_to(source) or source.is_relative_to(target):
        beside = source.with_name(f"{source.name}-jpeg") if source.name else "another disk"
        raise ValueError(
            f"The folder to write must lie outside of {folder}, and not hold it. Received: {out}. "
            f"Choose {beside}, for example."
        )
    chosen = {name for name in targets if _is_converted(folder / name)}
    _open_pillow(any(_brand(folder / name) == "heic" for name in chosen))
    result = Conversion()
    for parent in {(out / name).parent for name in targets.values()}:
        remove_abandoned(parent, "*")

    def write(name: str) -> tuple[str, str]:
        return name, _write(folder / name, out / targets[name], name in chosen)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for number, (name, outcome) in enumerate(pool.map(write, targets), 1):
                if outcome in ("converted", "copied", "done"):
                    getattr(result, outcome).append(name)
                else:
                    result.broken[name] = outcome
                tell(number, len(targets))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return result


def _targets(folder):
    """Returns a dict from the relative path of every image to that of its copy."""
    names = {}
    for path in images_below(folder, suffixes=(*SUFFIXES, *CONVERTIBLE)):
        if path.is_dir():
            list_folder(path)  # raises the reason for which it cannot be listed
        names.setdefault(path.parent, []).append(path.name)
    return {
        str(below / name): str(below / copy)
        for parent, inside in names.items()
        for below in [parent.relative_to(folder)]
        for name, copy in _copies(inside).items()
    }


def _copies(names):
    """Returns a dict from the names of a folder's images to those of their copies."""
    stems = [os.path.splitext(name)[0].lower() for name in names]
    counts = collections.Counter(stems)
    copies = {}
    # In lower case: some file systems do not tell the cases apart.
    taken = {name.lower() for name in names}
    for name, stem in zip(names, stems, strict=True):
        copy = name
        if name.lower().endswith(CONVERTIBLE):
            alone = counts[stem] == 1
            copy = f"{os.path.splitext(name)[0] if alone else name}.jpg"
            while copy.lower() in taken:
                copy += ".jpg"
            taken.add(copy.lower())
        copies[name] = copy
    return copies


def _is_converted(path):
    return path.name.lower().endswith(CONVERTIBLE) or _brand(path) is not None


def _brand(path):
    """Returns "heic" or "avif" for such a file, by its content or else by its name; else None."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        start = file.read(12)
        if start[4:8] != b"ftyp":
            return None
        return "avif" if start[8:11] == b"avi" else "heic"
    return "heic" if path.name.lower().endswith(HEIF) else None


def _open_pillow(heif):
    """Has Pillow open HEIC files, if there are any."""
    try:
        import PIL  # noqa: F401

        if heif:
            from pillow_heif import register_heif_opener

            register_heif_opener()
    except ImportError as error:
        raise ImportError(
            'Converting photographs needs Pillow and pillow-heif: pip install "keras-cabvit[heic]".'
        ) from error


def _write(source, target, convert):
    """Writes one file; returns "converted", "copied", "done", or why it cannot be read."""
    try:
        times = source.stat()
        if target.is_file() and _is_current(target.stat(), times):
            return "done"
        image, metadata = _upright(source) if convert else (None, {})
        content = None if convert else source.read_bytes()
    except Exception as error:  # Pillow promises no kinds of errors
        return str(error) or type(error).__name__
    with atomic_path(target, looks_for_leftovers=False) as partial:
        if content is not None:
            partial.write_bytes(content)
        else:
            image.save(partial, "JPEG", quality=_QUALITY, **metadata)
        # As old as its source, so that a source that is replaced is found.
        os.utime(partial, ns=(times.st_atime_ns, times.st_mtime_ns))
    return "copied" if image is None else "converted"


def _is_current(copy, source):
    """Returns whether a copy is of a file as it is now, from the `os.stat` of both.

    A copy has the modification time of its source. A later one means that the copy was edited, and
    is kept; unless the source has come since, such as an older photograph of the same name. An
    earlier one, by less than two seconds, was rounded down by the file system of the copy: by FAT,
    which knows no other time than this one.
    """
    since = source.st_mtime_ns - copy.st_mtime_ns
    if since <= 0:
        return since == 0 or copy.st_ctime_ns > source.st_ctime_ns
    later = copy.st_ctime_ns > source.st_ctime_ns or copy.st_ctime_ns == copy.st_mtime_ns
    return since < _COARSEST_TIME and later


def _upright(source):
    """Returns an RGB image of Pillow, and a dict of the metadata to save with it."""
    from PIL import Image

    with Image.open(source) as image:
        if image.mode.startswith(("I", "F")):
            raise ValueError("pixels of more than 8 bits: convert it with another program")
        if max(image.size) > _LONGEST_SIDE:
            raise ValueError(f"more than {_LONGEST_SIDE:,} pixels a side, which JPEG cannot hold")
        upright = turned_upright(image)
        metadata = {}
        # The EXIF of a TIFF file describes its own pixels.
        if image.format != "TIFF":
            with contextlib.suppress(Exception):  # Pillow cannot write every tag that it reads
                metadata["exif"] = upright.getexif().tobytes()
        if upright.mode in ("RGB", "RGBA"):
            metadata["icc_profile"] = upright.info.get("icc_profile")
        pixels = upright.convert("RGB")
    pixels.info.clear()
    kept = {name: value for name, value in metadata.items() if value}
    if len(kept.get("exif", b"")) > _LONGEST_EXIF:
        del kept["exif"]
    return pixels, kept
