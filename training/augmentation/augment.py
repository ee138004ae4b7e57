"""Augmentation of a training image after it is cropped."""

import tensorflow as tf

from training.augmentation.rand_augment import rand_augment
from training.augmentation.random_erasing import random_erasing
from training.augmentation.random_numbers import Purpose, uniform
from training.recipes.recipe import Augmentation


def augment_image(image: tf.Tensor, augmentation: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """Flips an image, applies RandAugment and erases a rectangle, in this order.

    With `augmentation.library` "keras_cv" it is only flipped: `mix_batch` does the rest to whole
    batches.

    Args:
        image: uint8 tensor (h, w, 3) of known shape.
        augmentation: `Augmentation`.
        seed: int32 or int64 tensor (2,).

    Returns:
        A float32 tensor (h, w, 3) in 0..255; the noise of an erased rectangle exceeds that range.
    """
    flips = uniform(Purpose.FLIP, seed, (2,))
    if augmentation.horizontal_flip:
        image = tf.cond(
            flips[0] < augmentation.horizontal_flip, lambda: tf.reverse(image, [1]), lambda: image
        )
    if augmentation.vertical_flip:
        image = tf.cond(
            flips[1] < augmentation.vertical_flip, lambda: tf.reverse(image, [0]), lambda: image
        )
    if augmentation.library == "keras_cv":
        return tf.cast(image, tf.float32)
    image = tf.cast(rand_augment(image, augmentation, seed), tf.float32)
    if augmentation.erasing_probability:
        image = random_erasing(image, augmentation.erasing_probability, seed)
    return image
