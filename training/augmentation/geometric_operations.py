"""The operations of RandAugment that move pixels, each as Pillow's affine transform does it.

All take and return a uint8 tensor (h, w, 3) of known shape. Each pixel of the result has a source
position in the given image. A pixel whose source is outside gets the colour `fill`. Otherwise it is
interpolated from the nearest 2x2 (bilinear) or 4x4 (bicubic) pixels; border pixels are repeated
beyond the border. Bicubic is the cubic convolution with the parameter -1, as in Pillow's
transform (in Pillow's resize it is -1/2).
"""

import math
from typing import Any

import tensorflow as tf


def shear_x(
    image: tf.Tensor, factor: tf.Tensor, interpolation: str, fill: tuple[int, int, int]
) -> tf.Tensor:
    """Moves each row to the left, by `factor` times its distance from the top.

    Args:
        image: uint8 tensor (h, w, 3).
        factor: float64 scalar.
        interpolation: "bilinear" or "bicubic".
        fill: three integers in 0..255.
    """
    return _move_rows(image, factor * _centres(image.shape[0]), interpolation, fill)


def shear_y(
    image: tf.Tensor, factor: tf.Tensor, interpolation: str, fill: tuple[int, int, int]
) -> tf.Tensor:
    """Moves each column up, by `factor` times its distance from the left; see `shear_x`."""
    return _move_columns(image, factor * _centres(image.shape[1]), interpolation, fill)


def translate_x(
    image: tf.Tensor, pixels: tf.Tensor, interpolation: str, fill: tuple[int, int, int]
) -> tf.Tensor:
    """Moves an image to the left.

    Args:
        image: uint8 tensor (h, w, 3).
        pixels: float64 scalar.
        interpolation: "bilinear" or "bicubic".
        fill: three integers in 0..255.
    """
    return _move_rows(image, pixels[None], interpolation, fill)


def translate_y(
    image: tf.Tensor, pixels: tf.Tensor, interpolation: str, fill: tuple[int, int, int]
) -> tf.Tensor:
    """Moves an image up; see `translate_x`."""
    return _move_columns(image, pixels[None], interpolation, fill)


# Only the slowest operation is compiled: each takes XLA a quarter of a second per pipeline. This
# one becomes three (bilinear) to seven times as fast (bicubic).
@tf.function(jit_compile=tf.test.is_built_with_xla(), autograph=False)
def rotate(
    image: tf.Tensor, degrees: tf.Tensor, interpolation: str, fill: tuple[int, int, int]
) -> tf.Tensor:
    """Turns an image about its centre, counterclockwise.

    Args:
        image: uint8 tensor (h, w, 3).
        degrees: float64 scalar.
        interpolation: "bilinear" or "bicubic".
        fill: three integers in 0..255.
    """
    height, width, _ = image.shape
    cosine, sine = tf.cos(degrees * (math.pi / 180)), tf.sin(degrees * (math.pi / 180))
    # In float64, because truncation would expose errors of the position.
    across = (_centres(width) - width / 2)[None, :]
    down = (_centres(height) - height / 2)[:, None]
    x = cosine * across - sine * down + width / 2
    y = sine * across + cosine * down + height / 2

    pixels = tf.reshape(image, (-1, 3))
    left, x_fraction = _split(x)
    top, y_fraction = _split(y)
    offsets = _OFFSETS[interpolation]
    columns = [tf.clip_by_value(left + offset, 0, width - 1) for offset in offsets]
    rows = [tf.clip_by_value(top + offset, 0, height - 1) * width for offset in offsets]
    x_fraction, y_fraction = _for_channels(x_fraction), _for_channels(y_fraction)
    of_rows = [
        _interpolate([_values(tf.gather(pixels, row + column)) for column in columns], x_fraction)
        for row in rows
    ]
    inside = _for_channels((x >= 0) & (x < width) & (y >= 0) & (y < height))
    return _finish(_interpolate(of_rows, y_fraction), inside, image, fill)


def _move_rows(
    image: tf.Tensor, distances: tf.Tensor, interpolation: str, fill: tuple[int, int, int]
) -> tf.Tensor:
    """Moves rows to the left, by one distance or one each, float64 (1,) or (h,), in pixels."""
    height, width, _ = image.shape
    left, fraction = _split(distances[:, None] + 0.5)
    offsets = _OFFSETS[interpolation]
    # All pixels of a row have the same fraction, so the row is looked up once for all offsets.
    columns = tf.clip_by_value(left + tf.range(offsets[0], width + offsets[-1]), 0, width - 1)
    if distances.shape[0] == 1:
        found = tf.gather(image, columns[0], axis=1)
    else:
        found = tf.gather(tf.reshape(image, (-1, 3)), tf.range(height)[:, None] * width + columns)
    found = _values(found)
    neighbours = [found[:, 3 * i : 3 * (i + width)] for i in range(len(offsets))]
    x = distances[:, None] + _centres(width)
    inside = _for_channels((x >= 0) & (x < width))
    return _finish(_interpolate(neighbours, fraction), inside, image, fill)


def _move_columns(
    image: tf.Tensor, distances: tf.Tensor, interpolation: str, fill: tuple[int, int, int]
) -> tf.Tensor:
    """Moves columns up, by one distance or one each, float64 (1,) or (w,), in pixels."""
    height, width, _ = image.shape
    top, fraction = _split(distances[None, :] + 0.5)
    offsets = _OFFSETS[interpolation]
    rows = top + tf.range(offsets[0], height + offsets[-1])[:, None]
    rows = tf.clip_by_value(rows, 0, height - 1)
    y = distances[None, :] + _centres(height)[:, None]
    inside = (y >= 0) & (y < height)
    if distances.shape[0] == 1:
        found = tf.gather(image, rows[:, 0])
    else:
        found = tf.gather(tf.reshape(image, (-1, 3)), rows * width + tf.range(width))
        fraction, inside = _for_channels(fraction), _for_channels(inside)
    found = _values(found)
    neighbours = [found[i : i + height] for i in range(len(offsets))]
    return _finish(_interpolate(neighbours, fraction), inside, image, fill)


# Offsets of the interpolated pixels from the one whose centre is the next to the left or above.
_OFFSETS = {"bilinear": (0, 1), "bicubic": (-1, 0, 1, 2)}


def _centres(length: int) -> tf.Tensor:
    """Returns float64 (length,): 0.5, 1.5, ..."""
    return tf.range(length, dtype=tf.float64) + 0.5


def _split(places: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the next pixel to the left (or above), int32, and the distance to it, float32."""
    pixel = tf.floor(places - 0.5)
    return tf.cast(pixel, tf.int32), tf.cast(places - 0.5 - pixel, tf.float32)


def _values(pixels: tf.Tensor) -> tf.Tensor:
    """Returns float32 (h, 3 w) from uint8 (h, w, 3).

    Two axes are several times as fast as three ending in one of length 3.
    """
    return tf.reshape(tf.cast(pixels, tf.float32), (pixels.shape[0], -1))


def _for_channels(values: tf.Tensor) -> tf.Tensor:
    """Returns (h, 3 w) from (h, w): each number, or bool, is repeated for every channel."""
    # By a product, because `tf.repeat` takes twice as long.
    column = tf.reshape(tf.cast(values, tf.float32), (-1, 1))
    repeated = tf.reshape(tf.matmul(column, tf.ones((1, 3))), (values.shape[0], -1))
    return repeated > 0 if values.dtype == tf.bool else repeated


def _interpolate(values: Any, fraction: tf.Tensor) -> tf.Tensor:
    """Interpolates between the middle two of 2 or 4 values that are one pixel apart.

    Args:
        values: list of 2 or 4 float32 tensors (h, 3 w).
        fraction: float32 tensor that broadcasts to them: the distance from the first of the two.
    """
    if len(values) == 2:
        return values[0] + fraction * (values[1] - values[0])
    before, first, second, after = values
    # Cubic convolution with the parameter -1, written in differences: in a uniform area it is
    # exact, which matters because results are truncated.
    rise = first - before
    cubic = rise + (after - second)
    quadratic = -(cubic + rise)
    return first + fraction * (second - before + fraction * (quadratic + fraction * cubic))


def _finish(
    values: Any, inside: tf.Tensor, image: tf.Tensor, fill: tuple[int, int, int]
) -> tf.Tensor:
    """Returns interpolated values as pixels, and `fill` where they are not inside the image.

    Args:
        values: float32 tensor (h, 3 w).
        inside: bool tensor that broadcasts to them.
        image: uint8 tensor (h, w, 3).
        fill: three integers in 0..255.
    """
    outside = tf.tile(tf.constant([fill], tf.float32), (1, image.shape[1]))
    values = tf.where(inside, tf.clip_by_value(values, 0.0, 255.0), outside)
    return tf.reshape(tf.cast(values, tf.uint8), image.shape)
