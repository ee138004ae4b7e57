"""Random erasing: a rectangle of noise, as timm's mode "pixel" does it."""

import math

import tensorflow as tf

from keras_cabvit.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from training.augmentation.noinline import noinline
from training.augmentation.paste import paste
from training.augmentation.random_numbers import Purpose, normal, uniform

_AREA = (0.02, 1 / 3)
_RATIO = (0.3, 1 / 0.3)
_TRIES = 10


def random_erasing(image: tf.Tensor, probability: float, seed: tf.Tensor) -> tf.Tensor:
    """Fills a random rectangle with noise.

    The rectangle covers 2 % to a third of the image and is 0.3 to 3.3 times as high as wide,
    uniformly on a logarithmic scale. It is drawn up to ten times, until it is smaller than the
    image in both directions; otherwise the image is unchanged. The noise has the mean and the
    deviation of the ImageNet pixels, independently for each pixel and channel, and is not clipped
    at 0 and 255: normalised, it has a standard normal distribution.

    Args:
        image: float32 tensor (h, w, 3) in 0..255, of known shape.
        probability: float, the probability that an image gets a rectangle.
        seed: int32 or int64 tensor (2,).

    Returns:
        A float32 tensor (h, w, 3).
    """
    # One number decides, the others draw ten rectangles.
    numbers = uniform(Purpose.ERASED_RECTANGLE, seed, (1 + 4 * _TRIES,))

    return tf.cond(
        numbers[0] < probability, lambda: _erased(image, numbers[1:], seed), lambda: image
    )


# Called, because what a condition contains takes time for images that do not meet it too.
@noinline
def _erased(image: tf.Tensor, numbers: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Fills the first of ten rectangles, drawn with uniform numbers, that fits."""
    height, width, channels = image.shape
    area, ratio, top, left = tf.unstack(tf.reshape(numbers, (4, _TRIES)))
    area = (_AREA[0] + area * (_AREA[1] - _AREA[0])) * (height * width)
    ratio = tf.exp(math.log(_RATIO[0]) + ratio * (math.log(_RATIO[1]) - math.log(_RATIO[0])))
    heights = tf.cast(tf.round(tf.sqrt(area * ratio)), tf.int32)
    widths = tf.cast(tf.round(tf.sqrt(area / ratio)), tf.int32)
    fits = (heights < height) & (widths < width)
    chosen = tf.argmax(fits)  # the first one that fits
    # If none fits, the rectangle is empty.
    box_height = tf.where(fits[chosen], heights[chosen], 0)
    box_width = tf.where(fits[chosen], widths[chosen], 0)
    box_top = tf.cast(top[chosen] * tf.cast(height - box_height + 1, tf.float32), tf.int32)
    box_left = tf.cast(left[chosen] * tf.cast(width - box_width + 1, tf.float32), tf.int32)
    # Two axes are several times as fast as three ending in 3.
    noise = normal(Purpose.ERASING_NOISE, seed, (box_height, channels * box_width))
    std, mean = (
        tf.tile([255 * value for value in each], [box_width])
        for each in (IMAGENET_STD, IMAGENET_MEAN)
    )
    patch = tf.reshape(noise * std + mean, (box_height, box_width, channels))
    return paste(image, patch, box_top, box_left)
