"""The contents of a data set's files, to notice files that were replaced under the same name."""

import functools
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from keras_cabvit.data.listed import listed
from training.data.data_set import DataSet
from training.data.split import Split, checksum_of, file_digest

# Of larger data sets only sizes are compared: reading all files would delay the start by more than
# seconds.
_MOST_BYTES = 2**30


def contents_of(data_set: DataSet) -> dict[str, dict]:
    """Returns what is known of the contents of files, for the record of a run.

    Every file's size and time of change are looked up; the files are read too, unless they have
    more than 1 GiB in all.

    Args:
        data_set: `DataSet`.

    Returns:
        A dict from the name of each split that has files to a dict that JSON can represent: "sizes"
        and "times", checksums; "newest", the time of the latest change in nanoseconds; and "bytes",
        the checksum of all contents, or None. A file that cannot be read counts as empty: training
        leaves it out.
    """
    found = {name: _Files(split) for name, split in data_set.splits().items() if split.files()}
    reads = sum(files.total for files in found.values()) <= _MOST_BYTES
    return {name: files.record(reads) for name, files in found.items()}


def check_contents(data_set: DataSet, earlier: dict, folder: Path) -> None:
    """Raises ValueError if files have other contents than when a run began.

    Copies, which have other times of change, are the same images. Without a change of sizes or
    times no file is read. Of more than 1 GiB, files of the same sizes are taken for the same.

    Args:
        data_set: `DataSet`.
        earlier: dict, the run's record; one without "contents" is not checked.
        folder: path of the run's folder, for the message.

    Raises:
        ValueError: contents differ; the message names files that were changed since.
    """
    splits = data_set.splits()
    for name, before in (earlier.get("contents") or {}).items():
        if name not in splits or not splits[name].files():
            continue
        files = _Files(splits[name])
        now = files.record(reads=False)
        if {**now, "bytes": before["bytes"]} == before:
            continue
        known = before["bytes"] is not None
        if now["sizes"] == before["sizes"] and not (
            known and files.record(reads=True)["bytes"] != before["bytes"]
        ):
            continue
        changed = files.newer_than(before["newest"])
        named = f" Changed since: {listed(changed)}." if changed else ""
        raise ValueError(
            f"{folder} holds a run of other images: {name} images have other contents than when it "
            f"began, under the same names.{named} Restore them and resume, or choose another "
            "folder with --out."
        )


def digests_of(files: Mapping[str, str]) -> dict[str, str]:
    """Returns what identifies the contents of images, whatever their names.

    Args:
        files: dict from an image's name to the path of its file.

    Returns:
        A dict from the name of each image that can be read to 16 hexadecimal digits of the SHA-256
        of its file; an empty one if the files have more than 1 GiB in all, which are not read.
    """
    if sum(_size_and_time(path)[0] for path in files.values()) > _MOST_BYTES:
        return {}
    digests = {name: _digest(path).hex()[:16] for name, path in files.items()}
    return {name: digest for name, digest in digests.items() if digest}


class _Files:
    """The files of a split, with their sizes in bytes and times of change in nanoseconds."""

    def __init__(self, split: Split):
        self._paths = split.files() or []
        stats = [_size_and_time(path) for path in self._paths]
        self._sizes = np.array([size for size, _ in stats], np.int64)
        self._times = np.array([time for _, time in stats], np.int64)
        self.total = int(self._sizes.sum())

    def record(self, reads: bool) -> dict:
        """Returns the checksums; that of the contents only if the files are to be read."""
        return {
            "sizes": checksum_of(self._sizes),
            "times": checksum_of(self._times),
            "newest": int(self._times.max()),
            "bytes": checksum_of(*map(_digest, self._paths)) if reads else None,
        }

    def newer_than(self, time: int) -> list[str]:
        """Returns the names of files that were changed after a time, with their folders' names."""
        return [
            str(Path(*Path(path).parts[-2:]))
            for path, changed in zip(self._paths, self._times, strict=True)
            if changed > time
        ]


def _size_and_time(path: str) -> tuple[int, int]:
    """Returns a file's size and time of change; zeros if it is gone or may not be seen."""
    try:
        stat = os.stat(path)
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def _digest(path: str) -> bytes:
    """Returns the SHA-256 of a file; no bytes if it cannot be read."""
    return _digest_of_version(path, *_size_and_time(path))


# The record of a run and its list of images need the same digests.
@functools.lru_cache(maxsize=2**17)
def _digest_of_version(path: str, size: int, time: int) -> bytes:
    try:
        return file_digest(path)
    except OSError:
        return b""
