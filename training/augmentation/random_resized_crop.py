"""A random part of an image, resized for the model."""

import math

import tensorflow as tf

from keras_cabvit.data.decoding.decode import decode_part
from training.augmentation.noinline import noinline
from training.augmentation.random_numbers import Purpose, uniform
from training.recipes.recipe import Augmentation

_TRIES = 10
# Pixels that a part of a large JPEG file keeps, per pixel of the result along each side.
_LEAST = 1.5
_KERNELS = {"bilinear": "triangle", "bicubic": "keyscubic"}


def random_resized_crop(
    image: tf.Tensor, size: tuple[int, int], augmentation: Augmentation, seed: tf.Tensor
) -> tf.Tensor:
    """Decodes a random part of an image and resizes it.

    The part is drawn as in torchvision and timm: a share of the area in `crop_scale` and, uniformly
    on a logarithmic scale, a ratio of width to height in `crop_ratio`; up to ten times, until the
    part lies inside the image. After that it is the largest central part whose ratio is allowed. If
    both ranges are (1, 1), the whole image is resized.

    The part is one of the image as `decode_rgb` gives it, the right way up. Of a JPEG only that
    part is decoded; and with `crop_antialias` a large part in half its size or less, as long as it
    keeps one and a half pixels per pixel of the result along each side.

    Args:
        image: scalar string tensor, the bytes of a JPEG, PNG, WebP, GIF or BMP file (the first of
            several frames); or uint8 tensor (h, w), (h, w, 1) or (h, w, 3).
        size: (height, width) of the result in pixels.
        augmentation: `Augmentation`, of which the fields that begin with crop_ are used.
        seed: int32 or int64 tensor (2,).

    Returns:
        A uint8 tensor (size[0], size[1], 3).

    Raises:
        ValueError: `image` is neither of the two.
        tf.errors.InvalidArgumentError: when it runs, the bytes are not an image.
    """
    if image.dtype == tf.string:
        # Without antialiasing, results depend on single pixels of the full size.
        least = fewest_pixels(size) if augmentation.crop_antialias else None
        crop, place = decode_part(
            image, lambda shape: _random_box(shape, augmentation, seed), least
        )
    elif image.dtype == tf.uint8 and (image.shape.rank == 2 or image.shape[2:] in ([1], [3])):
        pixels = image if image.shape.rank == 3 else image[..., None]
        top, left, height, width = _random_box(tf.shape(pixels), augmentation, seed)
        crop = pixels[top : top + height, left : left + width]
        place = tf.cast(tf.stack([0, 0, height, width]), tf.float32)
    else:
        raise ValueError(
            "`image` must be a scalar string of encoded bytes, or uint8 pixels of shape (h, w), "
            f"(h, w, 1) or (h, w, 3). Received: {image.dtype.name} of shape {image.shape}"
        )
    return _resize(crop, place, size, augmentation)


def fewest_pixels(size: tuple[int, int]) -> tuple[int, int]:
    """Returns the (height, width) that a part of a large JPEG file keeps when it is reduced.

    Args:
        size: (height, width) of the result in pixels.
    """
    height, width = size
    return math.ceil(_LEAST * height), math.ceil(_LEAST * width)


def smallest_part(shape: tf.Tensor, augmentation: Augmentation) -> tf.Tensor:
    """Returns the smallest height and the smallest width of a random part, int32 (2,).

    Args:
        shape: int32 tensor (2,), height and width of the image.
        augmentation: `Augmentation`, of which the fields that begin with crop_ are used.
    """
    if _is_whole(augmentation):
        return shape
    area = augmentation.crop_scale[0] * tf.cast(tf.reduce_prod(shape), tf.float32)
    low, high = augmentation.crop_ratio
    # The largest central part has the whole of one side, and of the other what the ratio allows.
    central = tf.cast(tf.reduce_min(shape), tf.float32)
    sides = [
        tf.minimum(tf.sqrt(area / high), central * min(1.0, 1 / low)),
        tf.minimum(tf.sqrt(area * low), central * min(1.0, high)),
    ]
    # One pixel less, because the sides of a part are rounded.
    return tf.cast(tf.stack(sides), tf.int32) - 1


def _is_whole(augmentation: Augmentation) -> bool:
    return augmentation.crop_scale == (1.0, 1.0) and augmentation.crop_ratio == (1.0, 1.0)


def _random_box(shape: tf.Tensor, augmentation: Augmentation, seed: tf.Tensor) -> tuple:
    """Returns top, left, height and width of the part, as int32 scalars."""
    if _is_whole(augmentation):
        return 0, 0, shape[0], shape[1]
    return _drawn_box(shape, augmentation.crop_scale, augmentation.crop_ratio, seed)


# A graph draws it once for every format that a file may have.
@noinline
def _drawn_box(
    shape: tf.Tensor,
    crop_scale: tuple[float, float],
    crop_ratio: tuple[float, float],
    seed: tf.Tensor,
) -> tuple:
    height, width = shape[0], shape[1]
    numbers = uniform(Purpose.CROP, seed, (4, _TRIES))
    smallest, largest = crop_scale
    low, high = crop_ratio
    narrowest, widest = math.log(low), math.log(high)
    area = (smallest + numbers[0] * (largest - smallest)) * tf.cast(height * width, tf.float32)
    ratio = tf.exp(narrowest + numbers[1] * (widest - narrowest))
    widths = tf.cast(tf.round(tf.sqrt(area * ratio)), tf.int32)
    heights = tf.cast(tf.round(tf.sqrt(area / ratio)), tf.int32)
    fits = (heights <= height) & (widths <= width) & (heights > 0) & (widths > 0)

    def first_that_fits() -> tuple:
        chosen = tf.argmax(fits, output_type=tf.int32)  # the first one that fits
        box = heights[chosen], widths[chosen]
        free = tf.stack([height - box[0] + 1, width - box[1] + 1])
        top, left = tf.unstack(
            tf.cast(numbers[2:, chosen] * tf.cast(free, tf.float32), tf.int32), num=2
        )
        return top, left, *box

    def central() -> tuple:
        ratio = tf.cast(width, tf.float32) / tf.cast(height, tf.float32)
        box_width = tf.where(ratio > high, _rounded(height, high), width)
        box_height = tf.where(ratio < low, _rounded(width, 1 / low), height)
        return (height - box_height) // 2, (width - box_width) // 2, box_height, box_width

    return tf.cond(tf.reduce_any(fits), first_that_fits, central)


def _rounded(length: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Returns an integer length multiplied by a factor, as an integer."""
    return tf.cast(tf.round(tf.cast(length, tf.float32) * factor), tf.int32)


def _resize(
    crop: tf.Tensor, place: tf.Tensor, size: tuple[int, int], augmentation: Augmentation
) -> tf.Tensor:
    """Resizes the place (4,) of a part in an image, which may begin and end inside pixels."""
    if augmentation.crop_antialias:
        scale = tf.constant(size, tf.float32) / place[2:]
        # The operation behind `tf.image.resize`, which resizes whole images only.
        resized = tf.raw_ops.ScaleAndTranslate(
            images=crop[None],
            size=size,
            scale=scale,
            translation=-place[:2] * scale,
            kernel_type=_KERNELS[augmentation.crop_interpolation],
            antialias=True,
        )[0]
    else:
        resized = tf.image.resize(crop, size, method=augmentation.crop_interpolation)
    # Bicubic interpolation overshoots at edges. A cast truncates, hence the half.
    pixels = tf.cast(tf.clip_by_value(resized + 0.5, 0.0, 255.0), tf.uint8)
    if crop.shape[-1] == 1:
        pixels = tf.repeat(pixels, 3, axis=-1)
    return tf.ensure_shape(pixels, (*size, 3))
