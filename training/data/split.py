"""A part of a data set: labelled images in a stored order and in one shuffled order per epoch."""

import abc
import hashlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_cabvit.gpu import leave_gpus_to_the_backend
from keras_cabvit.weights.checksums import file_sha256
from training.augmentation.random_numbers import random_bits
from training.data.share import WHOLE, Share

# Every module that reads images imports this one, before TensorFlow's first operation.
leave_gpus_to_the_backend()

# Tensors by name: "name" (scalar string), "label" (scalar int64) and those that `image` needs.
Example = dict[str, tf.Tensor]


class Split(abc.ABC):
    """Labelled images that can be read in the order of any epoch, starting at any place.

    Args:
        size: integer, the number of images.
        class_names: names of the classes, in the order of the labels.
        has_pixels: whether the images are pixels already, and so cannot be broken.
    """

    def __init__(self, size: int, class_names: Sequence[str], has_pixels: bool = False):
        self.size = size
        self.class_names = tuple(class_names)
        self.has_pixels = has_pixels

    @abc.abstractmethod
    def examples(
        self, seed: int, epoch: int | tf.Tensor, start: int | tf.Tensor, share: Share = WHOLE
    ) -> tf.data.Dataset:
        """Returns the examples in the shuffled order of one epoch, starting at the place `start`.

        Args:
            seed: integer.
            epoch: integer or scalar int64 tensor. The order is a pure function of seed and epoch.
            start: integer or scalar int64 tensor, the number of examples to skip; a multiple of
                `share.count`.
            share: `Share` of the examples to return.

        Returns:
            A `tf.data.Dataset` of examples.
        """

    @abc.abstractmethod
    def in_order(self) -> tf.data.Dataset:
        """Returns the examples in their stored order."""

    @abc.abstractmethod
    def checksum(self) -> str:
        """Returns a string that distinguishes these images, labels and order from others."""

    def class_counts(self) -> tuple[int, ...] | None:
        """Returns the number of images of each class; None if the images would have to be read."""
        return None

    def files(self) -> list[str] | None:
        """Returns the path of each image's file in the stored order; None if it has none."""
        return None

    def image(self, example: Example) -> tf.Tensor:
        """Returns an example's image; many are asked for at a time.

        Returns:
            A scalar string tensor, the bytes of an image file; or, with `has_pixels`, a uint8
            tensor (height, width), (height, width, 1) or (height, width, 3). An error when it runs
            means that the image is broken.
        """
        return example["image"]


class RandomAccessSplit(Split):
    """A split whose examples can be looked up by their number."""

    @abc.abstractmethod
    def at(self, index: tf.Tensor) -> Example:
        """Returns the example with a number (scalar int64 tensor)."""

    def examples(
        self, seed: int, epoch: int | tf.Tensor, start: int | tf.Tensor, share: Share = WHOLE
    ) -> tf.data.Dataset:
        """Returns the examples in the shuffled order of one epoch, each order equally likely."""
        order = tf.random.experimental.stateless_shuffle(
            tf.range(self.size, dtype=tf.int64), seed=stream_seed(seed, ORDER, epoch)
        )
        own = order[start + share.index :: share.count]
        return tf.data.Dataset.from_tensor_slices(own).map(self.at)

    def in_order(self) -> tf.data.Dataset:
        """Returns the examples by their number."""
        return tf.data.Dataset.range(self.size).map(self.at)


def file_digest(path: str | os.PathLike) -> bytes:
    """Returns the SHA-256 of a file, 32 bytes."""
    return bytes.fromhex(file_sha256(path))


def checksum_of(*parts: Any) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of buffers, such as bytes or arrays."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def counts_of(labels: np.ndarray, class_names: Sequence[str]) -> tuple[int, ...]:
    """Returns the number of images of each class.

    Args:
        labels: integer array (count,), indices into `class_names`.
        class_names: names of the classes.
    """
    return tuple(np.bincount(labels, minlength=len(class_names)).tolist())


# Purposes of random numbers: the same seed must not draw the same numbers twice.
ORDER, IMAGE, BATCH = 0, 1, 2


def stream_seed(seed: int, purpose: int, number: int | tf.Tensor) -> tf.Tensor:
    """Returns the seed, int64 (2,), of an epoch's order, of an image or of a batch.

    Args:
        seed: integer, the seed of the run.
        purpose: `ORDER`, `IMAGE` or `BATCH`.
        number: integer or scalar int64 tensor, of the epoch, the image or the batch.
    """
    # All bits of both words are mixed, so a user of the seed may change or drop any of them.
    words = tf.constant(4 * seed + purpose, tf.int64), tf.cast(number, tf.int64)
    return random_bits(tf.stack(words), (2,))
