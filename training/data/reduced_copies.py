"""Reduced copies of large photographs, which training reads instead of the files.

Of a JPEG file with many times the pixels of the model, most of the time goes into reading its
bytes, in every epoch. A copy is made once, and gives the same pixels
(`keras_cabvit.data.decoding.reduced_copy`).
"""

import contextlib
import functools
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_cabvit.data.decoding.formats import is_jpeg, padded_start
from keras_cabvit.data.decoding.reduced_copy import is_whole, packed, reduced_pixels
from training.data.copied_split import CopiedSplit
from training.data.copy_plan import CopyPlan
from training.data.data_set import DataSet
from training.data.folder_split import FolderSplit
from training.data.split import Split
from training.recipes.recipe import Recipe

_CORES = os.cpu_count() or 1
# Of the free space of a disk, the share that copies may take.
_SHARE_OF_DISK = 0.5
_SECONDS_BETWEEN_REPORTS = 5.0

_print = functools.partial(print, flush=True)


def split_to_read(
    data_set: DataSet,
    recipe: Recipe,
    folder: Path,
    epochs: int,
    tell: Callable[[str], None] = _print,
) -> Split:
    """Returns the training images of a run, with reduced copies if these pay, and says so.

    Copies pay if images are large, and are read in more than one epoch.

    Args:
        data_set: `DataSet`.
        recipe: `Recipe`.
        folder: folder of the copies; it need not exist.
        epochs: integer, the epochs that are left.
        tell: function that shows a line of text.
    """
    split, plan = data_set.training, CopyPlan.if_it_pays(recipe, data_set)
    # In its last epoch, a run that was stopped still has copies.
    if plan is None or not isinstance(split, FolderSplit) or (epochs < 2 and not folder.exists()):
        return split
    size = plan.mean_bytes(data_set.image_sizes) * split.size
    tell(
        f"Reduced copies of large photographs, about {max(1, round(size / 1e6)):,} MB, are "
        f"kept in {folder} until training ends, so that each is decoded only once."
    )
    return with_reduced_copies(split, plan, folder, epochs > 1, tell)


def with_reduced_copies(
    split: FolderSplit,
    plan: CopyPlan,
    folder: Path,
    makes: bool = True,
    tell: Callable[[str], None] = _print,
) -> CopiedSplit | FolderSplit:
    """Makes the copies of a split's large JPEG files, and returns a split that reads them.

    Copies that an earlier call made are kept if they are whole and their images unchanged, by size
    and time of change; others are removed. Copies take at most half of the free space of the disk;
    images without one are read from their files. So are all images of the other formats, those too
    small to be decoded in a quarter of their size, and those that cannot be read.

    Args:
        split: `FolderSplit`.
        plan: `CopyPlan`.
        folder: folder of the copies, which is created.
        makes: whether copies that are missing are made.
        tell: function that shows a line of text.

    Returns:
        The split of the same images, whose training batches are the same.
    """
    if not plan.augmentation.crop_antialias:
        return split
    started = time.monotonic()
    names = _names(split, plan)
    found = _whole_copies(folder, set(names))
    missing = [number for number, name in enumerate(names) if name not in found]
    progress = _Progress(len(missing), tell)
    if makes and missing:
        try:
            for name, size in _written(_made(split, plan, missing), names, folder, tell):
                found[name] = size
                progress.add_one()
        except OSError as error:
            # A quota, or another run, leaves less room than the disk seems to have.
            kept = list(found)[: len(found) // 2]
            found = _whole_copies(folder, set(kept))
            tell(
                f"No more reduced copies can be written: {error.strerror or error}. Half of them "
                "are removed, to leave room for checkpoints."
            )
    if not found:
        remove_copies(folder)
        return split
    tell(
        f"{len(found):,} of {split.size:,} training images have a reduced copy "
        f"({sum(found.values()) / 1e6:,.0f} MB), after {time.monotonic() - started:,.0f} seconds."
    )
    copies = [name if name in found else "" for name in names]
    return CopiedSplit(split, folder, copies, progress.seconds_per_image)


def remove_copies(folder: Path) -> None:
    """Removes the folder of copies, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)


class _Progress:
    """Counts copies that are made, tells the count every few seconds, and takes the time of one.

    Args:
        count: integer, the images of which copies are made.
        tell: function that shows a line of text.
    """

    def __init__(self, count: int, tell: Callable[[str], None]):
        self._count, self._tell, self._done = count, tell, 0
        self._started = self._told = self._first = self._last = time.monotonic()

    def add_one(self) -> None:
        """Counts a copy."""
        self._last = time.monotonic()
        if not self._done:  # the first one waits for the graph
            self._first = self._last
        self._done += 1
        if self._last - self._told >= _SECONDS_BETWEEN_REPORTS:
            self._told = self._last
            self._tell(
                f"Making reduced copies: {self._done:,} of {self._count:,} after "
                f"{self._last - self._started:.0f} s."
            )

    @property
    def seconds_per_image(self) -> float:
        """The mean time of a copy after the first one; 0 if there are fewer than two."""
        return (self._last - self._first) / max(1, self._done - 1)


def _names(split: FolderSplit, plan: CopyPlan) -> list[str]:
    """Returns the name of each image's copy, which changes with the file and the plan."""
    key, names = plan.key(), []
    for path in split.files():
        state = b"?"
        with contextlib.suppress(OSError):  # training will find that it cannot be read
            stat = os.stat(path)
            state = f"{stat.st_size} {stat.st_mtime_ns}".encode()
        digest = hashlib.sha256(b"\0".join([key, os.fsencode(path), state]))
        names.append(digest.hexdigest()[:32])
    return names


def _whole_copies(folder: Path, names: set[str]) -> dict[str, int]:
    """Returns the bytes of each copy that is there and whole, and removes all other files."""
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if path.name in names and is_whole(content := path.read_bytes()):
                found[path.name] = len(content)
            else:
                path.unlink()
    return found


def _made(
    split: FolderSplit, plan: CopyPlan, numbers: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """Yields the number and the copy of each of some images that get one."""

    def of_image(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        encoded = split.image(split.at(number))
        header, pixels = tf.cond(
            is_jpeg(padded_start(encoded)),
            lambda: reduced_pixels(encoded, plan.smallest_part, plan.least),
            lambda: (tf.zeros((4,), tf.int32), tf.zeros((0,), tf.uint8)),
        )
        return number, header, pixels

    made = (
        tf.data.Dataset.from_tensor_slices(np.asarray(numbers, np.int64))
        .map(of_image, num_parallel_calls=_CORES)
        .ignore_errors()  # of files that cannot be read
        .prefetch(_CORES)
    )
    for number, header, pixels in made.as_numpy_iterator():
        if len(pixels):
            yield int(number), packed(header, pixels)


def _written(
    copies: Iterable[tuple[int, bytes]],
    names: Sequence[str],
    folder: Path,
    tell: Callable[[str], None],
) -> Iterator[tuple[str, int]]:
    """Writes copies while the disk has room, and yields the name and the bytes of each."""
    folder.mkdir(parents=True, exist_ok=True)
    room = int(_SHARE_OF_DISK * shutil.disk_usage(folder).free)
    for number, copy in copies:
        room -= len(copy)
        if room < 0:
            tell("The disk has no room for more reduced copies.")
            return
        (folder / names[number]).write_bytes(copy)
        yield names[number], len(copy)
