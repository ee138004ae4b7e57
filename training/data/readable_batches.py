"""Batches of images some of which may be broken."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from training.data.split import Example, Split

# Batches assembled at the same time, so that the end of one does not leave cores idle.
_BATCHES_AT_A_TIME = 2
_CORES = os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class ReadableBatches:
    """Batches of the images that can be loaded, in the given order.

    An image that cannot be loaded is replaced by the next one of its batch that can, wrapping
    around its end. If the whole batch has none, zeros remain: so many broken images are above the
    limit, which `BrokenImages.check` reports.

    Attributes:
        split: `Split`. If its images are pixels, an error is raised.
        shape: (batch_size, height, width, 3) of a batch.
        load: function from place and example to a uint8 image (height, width, 3). If it fails when
            it runs, the image is broken.
        prepare: function from place and such an image to a float32 one.
        record: function that records the name of a broken image; None records nothing.
    """

    split: Split
    shape: tuple[int, int, int, int]
    load: Callable
    prepare: Callable
    record: Callable[[str], None] | None = None

    def of(self, places: tf.data.Dataset) -> tf.data.Dataset:
        """Returns the batches of some images.

        Args:
            places: `tf.data.Dataset` of (place, example): a scalar int64 and an example of `split`.
                A last, smaller batch is dropped.

        Returns:
            A `tf.data.Dataset` of float32 images (batch_size, height, width, 3), int64 labels
            (batch_size,), and booleans (batch_size,): whether an image is the requested one and not
            a replacement.
        """
        # One data set per batch: an error in the stream of all images would end it.
        return places.batch(self.shape[0], drop_remainder=True).interleave(
            self._batch,
            cycle_length=_BATCHES_AT_A_TIME,
            num_parallel_calls=_BATCHES_AT_A_TIME,
            deterministic=True,
        )

    # AutoGraph would rewrite every function below this one, which takes half of the start.
    @tf.autograph.experimental.do_not_convert
    def _batch(self, places: tf.Tensor, examples: Example) -> tf.data.Dataset:
        numbers = tf.range(self.shape[0], dtype=tf.int64)
        images = tf.data.Dataset.from_tensor_slices((numbers, places, examples)).map(
            self._load_one, num_parallel_calls=_CORES, deterministic=True
        )
        if not self.split.has_pixels:
            # Images that fail in `_load_one` are skipped, and the stream continues after them.
            images = images.ignore_errors()
        none = tf.zeros((0,), tf.int64), tf.zeros((0, *self.shape[1:]))
        return (
            images.map(self._prepare_one, num_parallel_calls=_CORES, deterministic=True)
            .batch(self.shape[0])
            .concatenate(tf.data.Dataset.from_tensors(none))
            .take(1)
            .map(lambda numbers, images: self._filled(numbers, images, examples))
        )

    def _load_one(self, number: tf.Tensor, place: tf.Tensor, example: Example) -> tuple:
        return number, place, tf.ensure_shape(self.load(place, example), self.shape[1:])

    def _prepare_one(self, number: tf.Tensor, place: tf.Tensor, image: tf.Tensor) -> tuple:
        return number, tf.ensure_shape(self.prepare(place, image), self.shape[1:])

    def _filled(self, numbers: tf.Tensor, images: tf.Tensor, examples: Example) -> tuple:
        batch = tf.cond(
            tf.size(numbers, tf.int64) == self.shape[0],
            lambda: (images, examples["label"], tf.ones((self.shape[0],), tf.bool)),
            lambda: self._with_replacements(numbers, images, examples),
        )
        shapes = self.shape, self.shape[:1], self.shape[:1]
        return tuple(map(tf.ensure_shape, batch, shapes))

    def _with_replacements(self, numbers: tf.Tensor, images: tf.Tensor, examples: Example) -> tuple:
        found = tf.size(numbers, tf.int64)
        places = tf.range(self.shape[0], dtype=tf.int64)
        # The first readable image at or after each place.
        index = tf.searchsorted(numbers, places, out_type=tf.int64) % tf.maximum(found, 1)
        readable = tf.reduce_any(places[:, None] == numbers, axis=1)
        if self.record is not None:
            _record(self.record, tf.boolean_mask(examples["name"], ~readable))
        padded = tf.concat([images, tf.zeros((1, *self.shape[1:]))], axis=0)
        source = tf.gather(tf.concat([numbers, [0]], axis=0), index)
        return tf.gather(padded, index), tf.gather(examples["label"], source), readable


def _record(record: Callable[[str], None], names: Any) -> None:
    def record_all(names: Any) -> np.int64:
        for name in names:
            # A file's name need not be UTF-8.
            record(name.decode(errors="backslashreplace"))
        return np.int64(0)

    tf.numpy_function(record_all, [names], tf.int64, stateful=True)
