"""Labelled images in memory."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from training.data.split import Example, RandomAccessSplit, checksum_of, counts_of


class ArraySplit(RandomAccessSplit):
    """A split of arrays.

    Args:
        images: uint8 array (count, height, width), (count, height, width, 1) or
            (count, height, width, 3).
        labels: integer array (count,), indices into `class_names`.
        class_names: names of the classes.
        name: the word before an image's number in its name.

    Raises:
        ValueError: the arrays have another shape or type, or do not match each other.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        class_names: Sequence[str],
        name: str = "image",
    ):
        if images.dtype != np.uint8 or not (
            images.ndim == 3 or (images.ndim == 4 and images.shape[-1] in (1, 3))
        ):
            raise ValueError(
                "`images` must be uint8 of shape (count, height, width) or (count, height, width, "
                f"1 or 3). Received: {images.dtype} of shape {images.shape}"
            )
        if labels.shape != images.shape[:1]:
            raise ValueError(
                f"`labels` must have the shape {images.shape[:1]}, one label per image. Received: "
                f"shape {labels.shape}"
            )
        super().__init__(len(images), class_names, has_pixels=True)
        self.name = name
        # Otherwise a GPU would hold all the images.
        with tf.device("CPU"):
            self._images = tf.constant(images)
            self._labels = tf.constant(labels, tf.int64)

    def at(self, index: tf.Tensor) -> Example:
        """Returns the example with a number."""
        return {
            "name": tf.strings.join([self.name, tf.strings.as_string(index)], " "),
            "label": self._labels[index],
            "index": index,
        }

    def class_counts(self) -> tuple[int, ...]:
        """Returns the number of images of each class."""
        return counts_of(self._labels.numpy(), self.class_names)

    def checksum(self) -> str:
        """Returns the checksum of pixels and labels."""
        return checksum_of(self._images.numpy(), self._labels.numpy())

    def image(self, example: Example) -> tf.Tensor:
        """Returns an example's pixels."""
        return self._images[example["index"]]
