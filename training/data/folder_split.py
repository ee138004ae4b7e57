"""A split of image files."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from training.data.split import Example, RandomAccessSplit, checksum_of, counts_of


class FolderSplit(RandomAccessSplit):
    """A split of image files, each read when it is needed.

    Args:
        root: folder. The name of an image is its path relative to it.
        files: paths relative to `root`.
        labels: integers, indices into `class_names`, one per file.
        class_names: names of the classes.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        files: Sequence[str],
        labels: Sequence[int] | np.ndarray,
        class_names: Sequence[str],
    ):
        super().__init__(len(files), class_names)
        self._root = os.fsencode(os.path.join(os.path.abspath(root), ""))
        self._names = tuple(files)
        with tf.device("CPU"):
            self._files = tf.constant([os.fsencode(file) for file in files], tf.string)
            self._labels = tf.constant(labels, tf.int64)

    def sample(self, count: int) -> "FolderSplit":
        """Returns a split of so many images, evenly spread over this one; or of all if fewer."""
        chosen = np.linspace(0, self.size, min(count, self.size), endpoint=False).astype(int)
        files = [self._names[number] for number in chosen]
        root = os.fsdecode(self._root)
        return FolderSplit(root, files, self._labels.numpy()[chosen], self.class_names)

    def at(self, index: tf.Tensor) -> Example:
        """Returns the example with a number."""
        return {"name": self._files[index], "label": self._labels[index]}

    def files_and_classes(self) -> list[tuple[str, str]]:
        """Returns the path of every image, relative to the root, and the name of its class."""
        classes = [self.class_names[label] for label in self._labels.numpy()]
        return list(zip(self._names, classes, strict=True))

    def class_counts(self) -> tuple[int, ...]:
        """Returns the number of images of each class."""
        return counts_of(self._labels.numpy(), self.class_names)

    def checksum(self) -> str:
        """Returns the checksum of the files' relative paths and of the labels."""
        return checksum_of(b"\0".join(self._files.numpy()), self._labels.numpy())

    def files(self) -> list[str]:
        """Returns the absolute path of each image's file."""
        return [os.fsdecode(self._root + file) for file in self._files.numpy()]

    def image(self, example: Example) -> tf.Tensor:
        """Returns the content of an example's file."""
        return tf.io.read_file(self.path(example))

    def path(self, example: Example) -> tf.Tensor:
        """Returns the absolute path of an example's file."""
        return tf.strings.join([self._root, example["name"]])
