"""Training batches from arrays."""

import tensorflow as tf


def training_batches(images, labels, classes, batch_size, seed):
    """Returns shuffled batches with half of the images flipped, anew in every epoch.

    Args:
        images: uint8 array (count, height, width, channels).
        labels: integer array (count,).
        classes: integer, how many classes there are.
        batch_size: integer; the last, smaller batch of an epoch is dropped.
        seed: integer, of order and flips.

    Returns:
        A `tf.data.Dataset` of (float32 images, float32 one-hot labels), which Keras takes on every
        backend.

    Raises:
        ValueError: there are fewer images than a batch holds.
    """
    if len(images) < batch_size:
        raise ValueError(
            f"`batch_size` must not be larger than the number of images. Received: "
            f"batch_size={batch_size} for {len(images)} images"
        )
    # Explicit seeds make the stream independent of what else draws random numbers.
    flips = tf.random.Generator.from_seed(seed)

    def augment(images, labels):
        flip = flips.uniform((batch_size, 1, 1, 1)) < 0.5
        images = tf.where(flip, tf.reverse(images, axis=[2]), images)
        return tf.cast(images, tf.float32), tf.one_hot(labels, classes)

    return (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .shuffle(len(images), seed=seed, reshuffle_each_iteration=True)
        .batch(batch_size, drop_remainder=True)
        .map(augment)
        .prefetch(2)
    )
