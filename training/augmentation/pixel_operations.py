"""The operations of RandAugment that change pixel values, each as Pillow does it.

All take and return a uint8 tensor (h, w, 3) of known shape.

If a new value depends only on the old one, Pillow looks it up in a table of 256 values. Here a
look-up takes several times as long as arithmetic on a whole image, so only two operations have
tables. Arithmetic is Pillow's, step by step, in float32: integers up to 2^24 are exact in it.
"""

import tensorflow as tf

from training.augmentation.paste import paste


def autocontrast(image: tf.Tensor) -> tf.Tensor:
    """Stretches the values of each channel to 0..255."""
    low = tf.cast(tf.reduce_min(image, (0, 1)), tf.float64)
    high = tf.cast(tf.reduce_max(image, (0, 1)), tf.float64)
    # In Pillow's order and precision: it truncates, which exposes rounding errors.
    scale = 255.0 / tf.maximum(high - low, 1.0)
    scale, offset = tf.where(high > low, scale, 1.0), tf.where(high > low, low * scale, 0.0)
    scale, offset = (tf.tile(numbers, (image.shape[1],)) for numbers in (scale, offset))
    stretched = tf.cast(tf.cast(_values(image), tf.float64) * scale - offset, tf.int32)
    return _pixels(tf.clip_by_value(stretched, 0, 255), image)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Makes all values of each channel about equally frequent."""
    counts = tf.math.bincount(_with_channel(image), minlength=3 * 256, maxlength=3 * 256)
    counts = tf.reshape(counts, (3, 256))
    highest = tf.cast(tf.reduce_max(image, (0, 1)), tf.int32)
    count_of_highest = tf.gather(counts, highest, batch_dims=1)
    step = (tf.reduce_sum(counts, 1) - count_of_highest)[:, None] // 255
    below = tf.cumsum(counts, axis=1, exclusive=True)
    equalized = tf.minimum((step // 2 + below) // tf.maximum(step, 1), 255)
    return _look_up(image, tf.where(step > 0, equalized, tf.range(256)))


def invert(image: tf.Tensor) -> tf.Tensor:
    """Replaces each value x by 255 - x."""
    return tf.bitwise.invert(image)


def posterize(image: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Keeps the upper bits of a value.

    Args:
        image: uint8 tensor (h, w, 3).
        bits: int32 scalar in 0..8.
    """
    mask = tf.bitwise.invert(tf.bitwise.left_shift(1, 8 - bits) - 1)
    return tf.bitwise.bitwise_and(image, tf.cast(mask & 255, tf.uint8))


def solarize(image: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Inverts the values that reach a threshold.

    Args:
        image: uint8 tensor (h, w, 3).
        threshold: int32 scalar in 0..256.
    """
    values = _values(image)
    # 1 from the threshold on, else 0: without a branch this is five times as fast as `tf.where`.
    reached = tf.clip_by_value(values - tf.cast(threshold - 1, tf.float32), 0.0, 1.0)
    return _pixels(tf.abs(values - 255.0 * reached), image)


def solarize_add(image: tf.Tensor, addition: tf.Tensor) -> tf.Tensor:
    """Adds to the values below 128.

    Args:
        image: uint8 tensor (h, w, 3).
        addition: int32 scalar in 0..128.
    """
    values = _values(image)
    below = tf.clip_by_value(128.0 - values, 0.0, 1.0)
    return _pixels(tf.minimum(values + tf.cast(addition, tf.float32) * below, 255.0), image)


def color(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Makes an image less colourful (factor below 1) or more; 0 is grey.

    Args:
        image: uint8 tensor (h, w, 3).
        factor: float32 scalar, at least 0.
    """
    return _blend(_grey(image), image, factor)


def contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Moves all values towards the mean of the grey image (factor below 1) or away from it.

    Args:
        image: uint8 tensor (h, w, 3).
        factor: float32 scalar, at least 0.
    """
    # Float64: the sum is larger than 2^24.
    mean = tf.reduce_mean(tf.cast(_grey(image), tf.float64))
    return _blend(tf.cast(tf.floor(mean + 0.5), tf.float32), image, factor)


def brightness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Multiplies all values.

    Args:
        image: uint8 tensor (h, w, 3).
        factor: float32 scalar, at least 0.
    """
    return _blend(0.0, image, factor)


def sharpness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Makes an image smoother (factor below 1) or sharper. Border pixels are unchanged.

    Args:
        image: uint8 tensor (h, w, 3).
        factor: float32 scalar, at least 0.
    """
    height, width, channels = image.shape
    if height < 3 or width < 3:
        return image
    kernel = tf.constant([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]])
    kernel = tf.tile(kernel[:, :, None, None], (1, 1, channels, 1))
    total = tf.nn.depthwise_conv2d(
        tf.cast(image, tf.float32)[None], kernel, strides=(1, 1, 1, 1), padding="VALID"
    )[0]
    smooth = tf.floor(tf.reshape(total, (height - 2, -1)) / 13.0 + 0.5)
    return paste(image, _blend(smooth, image[1:-1, 1:-1], factor), 1, 1)


def _values(image: tf.Tensor) -> tf.Tensor:
    """Returns float32 (h, 3 w): two axes are several times as fast as three ending in 3."""
    return tf.reshape(tf.cast(image, tf.float32), (image.shape[0], -1))


def _pixels(values: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Truncates values in 0..255 to uint8, in the shape of the image."""
    return tf.reshape(tf.cast(values, tf.uint8), image.shape)


def _grey(image: tf.Tensor) -> tf.Tensor:
    """Returns the luminance as Pillow rounds it, float32 (h, 3 w): the same for every channel."""
    weights = tf.constant([[19595.0] * 3, [38470.0] * 3, [7471.0] * 3])  # in 1 / 2^16
    total = tf.matmul(tf.reshape(tf.cast(image, tf.float32), (-1, 3)), weights)
    return tf.floor((tf.reshape(total, (image.shape[0], -1)) + 32768.0) / 65536.0)


def _blend(other: tf.Tensor, image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Returns other + factor (image - other) as uint8, where `other` is float32."""
    blended = other + factor * (_values(image) - other)
    return _pixels(tf.clip_by_value(blended, 0.0, 255.0), image)


def _with_channel(image: tf.Tensor) -> tf.Tensor:
    """Returns value + 256 channel of every pixel, int32 (h, 3 w)."""
    offsets = tf.tile(tf.constant([[0, 256, 512]]), (1, image.shape[1]))
    return tf.reshape(tf.cast(image, tf.int32), (image.shape[0], -1)) + offsets


def _look_up(image: tf.Tensor, tables: tf.Tensor) -> tf.Tensor:
    """Looks up the values of an image in one table per channel, int32 (3, 256)."""
    table = tf.reshape(tf.cast(tables, tf.uint8), [-1])
    return tf.reshape(tf.gather(table, _with_channel(image)), image.shape)
