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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_cabvit.data.decoding.formats import is_jpeg, padded_start
from keras_cabvit.data.decoding.reduced_copy import is_whole, packed, reduced_pixels, sizes_of_copy
from training.augmentation.random_resized_crop import fewest_pixels, smallest_part
from training.data.data_set import DataSet
from training.data.folder_split import FolderSplit
from training.data.image_sizes import ImageSizes
from training.data.split import Example, RandomAccessSplit, Split
from training.recipes.recipe import Augmentation, Recipe

_CORES = os.cpu_count() or 1
# Of the free space of a disk, the share that copies may take.
_SHARE_OF_DISK = 0.5
_SECONDS_BETWEEN_REPORTS = 5.0

_print = functools.partial(print, flush=True)


class CopiedSplit(RandomAccessSplit):
    """A split of image files, some of which have a reduced copy that is read instead.

    Only `training_batches` of the recipe for which the copies were made may read it.

    Args:
        split: `FolderSplit`.
        folder: folder of the copies.
        names: the name of each image's copy, in the order of the split; "" if it has none.
        seconds_per_image: time that making a copy took.
    """

    def __init__(
        self,
        split: FolderSplit,
        folder: str | os.PathLike,
        names: Sequence[str],
        seconds_per_image: float = 0.0,
    ):
        super().__init__(split.size, split.class_names)
        self.seconds_per_image = seconds_per_image
        self._split = split
        self._folder = os.fsencode(os.path.join(os.path.abspath(folder), ""))
        with tf.device("CPU"):
            self._copies = tf.constant(list(names), tf.string)

    def at(self, index: tf.Tensor) -> Example:
        """Returns the example with a number."""
        return {**self._split.at(index), "copy": self._copies[index]}

    def checksum(self) -> str:
        """Returns the checksum of the split."""
        return self._split.checksum()

    def class_counts(self) -> tuple[int, ...]:
        """Returns the number of images of each class."""
        return self._split.class_counts()

    def files(self) -> list[str]:
        """Returns the absolute path of each image's own file."""
        return self._split.files()

    def image(self, example: Example) -> tf.Tensor:
        """Returns the content of an example's copy, or else of its file."""
        copy = example["copy"]
        path = tf.strings.join([self._folder, copy])
        return tf.io.read_file(tf.where(copy == b"", self._split.path(example), path))


@dataclass(frozen=True)
class CopyPlan:
    """The copies from which the crops of a recipe are taken.

    Attributes:
        augmentation: `Augmentation`, of which the fields that begin with crop_ are used.
        size: (height, width) of the model in pixels.
    """

    augmentation: Augmentation
    size: tuple[int, int]

    @classmethod
    def of(cls, recipe: Recipe) -> "CopyPlan":
        """Returns the plan of a recipe."""
        return cls(recipe.augmentation, recipe.model.image_size)

    @classmethod
    def if_it_pays(cls, recipe: Recipe, data_set: DataSet) -> "CopyPlan | None":
        """Returns the plan of a recipe; None if no copy is made for a sample of the images."""
        plan = cls.of(recipe)
        files = isinstance(data_set.training, FolderSplit)
        return plan if files and plan.mean_bytes(data_set.image_sizes) else None

    @property
    def least(self) -> tuple[int, int]:
        """Fewest pixels (height, width) that a part of an image keeps when it is reduced."""
        return fewest_pixels(self.size)

    def smallest_part(self, shape: tf.Tensor) -> tf.Tensor:
        """Returns the smallest height and width of a part of an image of a shape, int32 (2,)."""
        return smallest_part(shape, self.augmentation)

    def mean_bytes(self, sizes: ImageSizes) -> float:
        """Returns the bytes of a copy, on the average of sampled images; 0 if none gets a copy."""
        if not sizes.sizes or not self.augmentation.crop_antialias:
            return 0.0
        total = 0
        with tf.device("CPU"):
            for (width, height), count in sizes.counts().items():
                shape = tf.constant([height, width])
                kept = sizes_of_copy(shape, self.smallest_part, self.least)
                for reduction, is_kept in zip((8, 4), kept, strict=True):
                    if is_kept:
                        total += count * 3 * -(-height // reduction) * -(-width // reduction)
        return total / len(sizes.sizes)

    def key(self) -> bytes:
        """Returns bytes that differ if other sizes would be kept."""
        augmentation = self.augmentation
        return repr((self.least, augmentation.crop_scale[0], augmentation.crop_ratio)).encode()


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
    seconds_per_image = 0.0
    names = _names(split, plan)
    found = _whole_copies(folder, set(names))
    missing = [number for number, name in enumerate(names) if name not in found]
    if makes and missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            room = int(_SHARE_OF_DISK * shutil.disk_usage(folder).free)
            first = told = time.monotonic()
            for done, (number, copy) in enumerate(_made(split, plan, missing)):
                # The first one waits for the graph.
                first = first if done else time.monotonic()
                if len(copy) > room:
                    tell("The disk has no room for more reduced copies.")
                    break
                (folder / names[number]).write_bytes(copy)
                found[names[number]] = len(copy)
                room -= len(copy)
                now = time.monotonic()
                seconds_per_image = (now - first) / max(1, done)
                if now - told >= _SECONDS_BETWEEN_REPORTS:
                    told = now
                    tell(
                        f"Making reduced copies: {done + 1:,} of {len(missing):,} after "
                        f"{now - started:.0f} s."
                    )
        except OSError as error:
            tell(f"No more reduced copies can be written: {error.strerror or error}.")
    if not found:
        remove_copies(folder)
        return split
    tell(
        f"{len(found):,} of {split.size:,} training images have a reduced copy "
        f"({sum(found.values()) / 1e6:,.0f} MB), after {time.monotonic() - started:,.0f} seconds."
    )
    copies = [name if name in found else "" for name in names]
    return CopiedSplit(split, folder, copies, seconds_per_image)


def remove_copies(folder: Path) -> None:
    """Removes the folder of copies, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)


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
