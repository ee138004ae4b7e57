"""Batches of images of which some may be broken."""

import os

import numpy as np
import tensorflow as tf

# Batches that are in the making at the same time, so that the end of one does not leave cores idle.
_BATCHES_AT_A_TIME = 2


def readable_batches(places, split, batch_size, size, load, prepare, broken=None):
    """Loads images and makes batches of them, in the given order.

    In place of an image that cannot be loaded its batch has the next one that can, around its end.
    Zeros remain where there is none in the whole batch: far more images are broken then than may
    be, which is for `BrokenImages.check` to say.

    Args:
        places: `tf.data.Dataset` of (place, example): a scalar int64 and an example of `split`.
        split: `Split`. If its images are pixels, an error is an error.
        batch_size: integer; a last, smaller batch is dropped.
        size: (height, width) in pixels.
        load: function from place and example to a uint8 image (*size, 3). If it fails when it runs,
            the image is broken.
        prepare: function from place and such an image to a float32 one.
        broken: `BrokenImages` to record names in, or None.

    Returns:
        A `tf.data.Dataset` of float32 images (batch_size, *size, 3), int64 labels (batch_size,),
        and booleans (batch_size,): which images are their own.
    """
    cores = os.cpu_count() or 1

    def load_one(number, place, example):
        return number, place, tf.ensure_shape(load(place, example), (*size, 3))

    def prepare_one(number, place, image):
        return number, tf.ensure_shape(prepare(place, image), (*size, 3))

    def of_batch(places, examples):
        numbers = tf.range(batch_size, dtype=tf.int64)
        images = tf.data.Dataset.from_tensor_slices((numbers, places, examples)).map(
            load_one, num_parallel_calls=cores, deterministic=True
        )
        if not split.has_pixels:
            # What `load_one` fails on is left out, and the stream goes on behind it.
            images = images.ignore_errors()
        none = tf.zeros((0,), tf.int64), tf.zeros((0, *size, 3))
        return (
            images.map(prepare_one, num_parallel_calls=cores, deterministic=True)
            .batch(batch_size)
            .concatenate(tf.data.Dataset.from_tensors(none))
            .take(1)
            .map(lambda numbers, images: filled(numbers, images, examples))
        )

    def filled(numbers, images, examples):
        found = tf.size(numbers, tf.int64)
        places = tf.range(batch_size, dtype=tf.int64)

        def with_stand_ins():
            # The first of the images found whose number is not below the place's.
            index = tf.searchsorted(numbers, places, out_type=tf.int64) % tf.maximum(found, 1)
            readable = tf.reduce_any(places[:, None] == numbers, axis=1)
            if broken is not None:
                _record(broken, tf.boolean_mask(examples["name"], ~readable))
            padded = tf.concat([images, tf.zeros((1, *size, 3))], axis=0)
            source = tf.gather(tf.concat([numbers, [0]], axis=0), index)
            return tf.gather(padded, index), tf.gather(examples["label"], source), readable

        batch = tf.cond(
            found == batch_size,
            lambda: (images, examples["label"], tf.ones((batch_size,), tf.bool)),
            with_stand_ins,
        )
        shapes = (batch_size, *size, 3), (batch_size,), (batch_size,)
        return tuple(map(tf.ensure_shape, batch, shapes))

    # One data set a batch: an error in the stream of all images would end it.
    return places.batch(batch_size, drop_remainder=True).interleave(
        of_batch,
        cycle_length=_BATCHES_AT_A_TIME,
        num_parallel_calls=_BATCHES_AT_A_TIME,
        deterministic=True,
    )


def _record(broken, names):
    def record(names):
        for name in names:
            # A file's name need not be UTF-8.
            broken.record(name.decode(errors="backslashreplace"))
        return np.int64(0)

    tf.numpy_function(record, [names], tf.int64, stateful=True)
