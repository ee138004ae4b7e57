"""Random numbers that are a pure function of a seed."""

import enum

import tensorflow as tf


class Purpose(enum.IntEnum):
    """The purpose of random numbers.

    An image has one seed, and so has a batch: different purposes must not draw the same numbers.
    """

    CROP = 0
    FLIP = 1
    RAND_AUGMENT_OPERATION = 2
    RAND_AUGMENT_MAGNITUDE = 3
    ERASED_RECTANGLE = 4
    ERASING_NOISE = 5
    MIXING = 6
    MIXING_SHARE = 7


def seed_for(purpose: Purpose, seed: tf.Tensor) -> tf.Tensor:
    """Returns the seed (2,) of one purpose.

    Args:
        purpose: a `Purpose`.
        seed: int32 or int64 tensor (2,), of the image or the batch.
    """
    seed = tf.convert_to_tensor(seed)
    # In the upper bits of the second word, so that seeds that count images or steps do not collide.
    return tf.bitwise.bitwise_xor(seed, tf.constant([0, purpose << 24], seed.dtype))


def uniform(purpose: Purpose, seed: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Returns float32 numbers in [0, 1).

    One call draws all numbers of a purpose: the call costs more than the numbers.

    Args:
        purpose: a `Purpose`.
        seed: int32 or int64 tensor (2,), of the image or the batch.
        shape: tuple of integers.
    """
    # The algorithm is named because the default depends on the device.
    return tf.random.stateless_uniform(shape, seed_for(purpose, seed), alg="philox")
