"""A part of a data set: labelled images in a stored order and in one shuffled order an epoch."""

import abc
import hashlib

import tensorflow as tf


class Split(abc.ABC):
    """Labelled images that can be read in any epoch's order, from any place on.

    An example is a dict of "name" (scalar string), "label" (scalar int64) and what `image` needs.

    Args:
        size: integer, how many images there are.
        class_names: names of the classes, in the order of the labels.
        has_pixels: whether the images are pixels already, and so cannot be broken.
    """

    def __init__(self, size, class_names, has_pixels=False):
        self.size = size
        self.class_names = tuple(class_names)
        self.has_pixels = has_pixels

    @abc.abstractmethod
    def examples(self, seed, epoch, start, process_index=0, process_count=1):
        """Returns the examples in the shuffled order of one epoch, from the place `start` on.

        Args:
            seed: integer.
            epoch: integer or scalar int64 tensor. The order is a pure function of seed and epoch.
            start: integer or scalar int64 tensor, how many examples to skip; a multiple of
                `process_count`.
            process_index: integer, which of the processes this is. It gets every
                `process_count`-th example, beginning with this one.
            process_count: integer, how many processes share the examples.

        Returns:
            A `tf.data.Dataset` of examples.
        """

    @abc.abstractmethod
    def in_order(self):
        """Returns the examples in their stored order, as a `tf.data.Dataset`."""

    @abc.abstractmethod
    def checksum(self):
        """Returns a string that tells these images, with their labels and order, from others."""

    def image(self, example):
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
    def at(self, index):
        """Returns the example with a number (scalar int64 tensor)."""

    def examples(self, seed, epoch, start, process_index=0, process_count=1):
        """Returns the examples in the shuffled order of one epoch: every order is as likely."""
        order = tf.random.experimental.stateless_shuffle(
            tf.range(self.size, dtype=tf.int64), seed=stream_seed(seed, ORDER, epoch)
        )
        own = order[start + process_index :: process_count]
        return tf.data.Dataset.from_tensor_slices(own).map(self.at)

    def in_order(self):
        """Returns the examples by their number."""
        return tf.data.Dataset.range(self.size).map(self.at)


def checksum_of(*parts):
    """Returns 16 hexadecimal digits of the SHA-256 of buffers, such as bytes or arrays."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


# What random numbers are for: the same seed must not draw the same numbers twice.
ORDER, IMAGE, BATCH = 0, 1, 2


def stream_seed(seed, purpose, number):
    """Returns the seed, int64 (2,), of an epoch's order, of an image or of a batch.

    Args:
        seed: integer, of the run.
        purpose: `ORDER`, `IMAGE` or `BATCH`.
        number: integer or scalar int64 tensor, of the epoch, the image or the batch.
    """
    # All bits of both words are mixed: whoever uses the seed may change or leave out any of them.
    return tf.random.stateless_uniform(
        (2,),
        seed=tf.stack([tf.constant(4 * seed + purpose, tf.int64), tf.cast(number, tf.int64)]),
        minval=None,
        maxval=None,
        dtype=tf.int64,
        alg="philox",
    )
