"""Decoding a batch of image files in a served graph, where no file may fail the others.

TF Serving puts the requests of different clients into one batch, so an error raised for one image
would fail all of their requests.
"""

from collections.abc import Sequence
from typing import Any

from keras_cabvit.data import evaluation_image
from keras_cabvit.data.decoding.decode import NO_IMAGE, refusal
from keras_cabvit.data.decoding.image_header import image_size, is_image_file


def pixels_and_status(
    encoded: Any, size: Sequence[int], crop: float, max_megapixels: float
) -> tuple[Any, Any]:
    """Decodes, resizes and crops image files in a TensorFlow graph.

    Args:
        encoded: string tensor (batch,), the contents of JPEG, PNG, WebP, GIF or BMP files.
        size: (height, width) of the result in pixels.
        crop: side of the centre crop as a share of the image, as in `evaluation_image`.
        max_megapixels: number; larger images are not decoded.

    Returns:
        uint8 pixels (batch, *size, 3), zeros for an unreadable image, and strings (batch,): empty,
        or the reason why the image could not be read.
    """
    import tensorflow as tf

    count = tf.size(encoded, out_type=tf.int64)
    known = is_image_file(encoded)
    sizes = tf.map_fn(image_size, encoded, fn_output_signature=tf.TensorSpec((2,), tf.int64))
    too_large = tf.reduce_prod(tf.cast(sizes, tf.float64), axis=1) > 1e6 * max_megapixels

    def decode(number: Any, file: Any) -> tuple[Any, Any]:
        return number, evaluation_image(file, size, crop)

    # A file whose header states no size could be of any size.
    stated = tf.reduce_all(sizes > 0, axis=1)
    wanted = tf.where(known & stated & ~too_large)[:, 0]
    nothing = tf.zeros((0,), tf.int64), tf.zeros((0, *size, 3), tf.uint8)
    # A data set can skip images that cannot be decoded; no other part of a graph can.
    numbers, pixels = (
        tf.data.Dataset.from_tensor_slices((wanted, tf.gather(encoded, wanted)))
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        .ignore_errors()
        .batch(tf.maximum(count, 1))
        .concatenate(tf.data.Dataset.from_tensors(nothing))
        .take(1)
        .get_single_element()
    )
    numbers = numbers[:, None]
    read = tf.scatter_nd(numbers, tf.ones_like(numbers[:, 0], tf.int32), count[None]) > 0
    shape = tf.concat([count[None], tf.constant([*size, 3], tf.int64)], axis=0)
    pixels = tf.scatter_nd(numbers, tf.cast(pixels, tf.int32), shape)  # not available for uint8

    refusals = tf.map_fn(refusal, tf.where(read | ~known, "", encoded))
    damaged = "The file is damaged or cut short: it cannot be decoded."
    status = tf.where(read, "", tf.where(refusals == "", damaged, refusals))
    status = tf.where(too_large, _too_large(sizes, max_megapixels), status)
    status = tf.where(known, status, _no_image(encoded))
    return tf.cast(tf.ensure_shape(pixels, (None, *size, 3)), tf.uint8), status


def _too_large(sizes: Any, max_megapixels: float) -> Any:
    import tensorflow as tf

    height, width = (tf.strings.as_string(side) for side in tf.unstack(sizes, axis=1))
    return tf.strings.join(
        [
            "The image has ",
            width,
            "x",
            height,
            f" pixels, and at most {max_megapixels:g} million are decoded: send a smaller one.",
        ]
    )


def _no_image(encoded: Any) -> Any:
    import tensorflow as tf

    return tf.where(
        encoded == "",
        "The file is empty.",
        NO_IMAGE,
    )
