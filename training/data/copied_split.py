"""A split of image files, some of which are read from reduced copies."""

import os
from collections.abc import Sequence

import tensorflow as tf

from training.data.folder_split import FolderSplit
from training.data.split import Example, RandomAccessSplit


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
