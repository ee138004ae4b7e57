"""Random numbers that are a pure function of a seed."""

import enum
from collections.abc import Callable
from typing import Any

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
    return _drawn(tf.raw_ops.StatelessRandomUniformV2, seed_for(purpose, seed), shape)


def normal(
    purpose: Purpose, seed: tf.Tensor, shape: tuple, dtype: tf.DType = tf.float32
) -> tf.Tensor:
    """Returns numbers from the standard normal distribution.

    Args:
        purpose: a `Purpose`.
        seed: int32 or int64 tensor (2,), of the image or the batch.
        shape: tuple of integers or int32 scalars.
        dtype: the numbers' type. Defaults to float32.
    """
    return _drawn(tf.raw_ops.StatelessRandomNormalV2, seed_for(purpose, seed), shape, dtype=dtype)


def random_bits(seed: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Returns int64 numbers, of which every bit is random.

    Args:
        seed: int32 or int64 tensor (2,).
        shape: tuple of integers.
    """
    return _drawn(tf.raw_ops.StatelessRandomUniformFullIntV2, seed, shape, dtype=tf.int64)


def _drawn(operation: Callable, seed: tf.Tensor, shape: tuple, **options: Any) -> tf.Tensor:
    # The same numbers as those of `tf.random.stateless_uniform` and the like, which take two dozen
    # operations to mix a seed once the algorithm is named. It is named because the default depends
    # on the device.
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
    return operation(
        shape=shape, key=key, counter=counter, alg=tf.random.Algorithm.PHILOX.value, **options
    )
