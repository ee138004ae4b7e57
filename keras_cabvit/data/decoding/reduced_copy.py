"""Copies of large JPEG files in an eighth and a quarter of their size, as pixels.

A reduction of JPEG spares arithmetic, but all bytes of a file are read for it. A copy has the
reduced pixels themselves, those that `decode_part` takes from the file, and is read in a fraction
of the time.

A copy begins with eight octets that say what it is; then come height, width and orientation of the
stored image, the sizes that are there (1: an eighth, 2: a quarter, 3: both), and the checksum
(CRC-32) of the pixels, each four octets, the lowest first; then the pixels, uint8 (height, width,
3), of the eighth, then of the quarter.
"""

import struct
import zlib

from keras_cabvit.data.decoding.jpeg import checked_jpeg
from keras_cabvit.data.decoding.jpeg_pixels import (
    REDUCTIONS,
    decode_box,
    largest_reduction,
    reduced_place,
)
from keras_cabvit.data.decoding.orientation import box_as_stored, size_as_seen, upright

_MAGIC = b"\xffCabViT\x01"
_HEADER = struct.Struct("<8s4iI")
# The sizes that a copy may have; a half would take more space than the file itself.
_EIGHTH, _QUARTER = 1, 2


def reduced_pixels(encoded, smallest_part, least):
    """Decodes a JPEG file in the sizes that `decode_part` takes for parts of it.

    Args:
        encoded: scalar string tensor, the content of a JPEG file.
        smallest_part: function of an int32 tensor (height, width) of the upright image, which
            returns the smallest height and the smallest width of a part, an int32 tensor (2,).
        least: (height, width), as `decode_part` takes it.

    Returns:
        header: int32 tensor (4,), as in a copy, without the checksum.
        pixels: uint8 tensor (n,). Without any, some part must be decoded in half the size or more,
            so that a copy does not pay.

    Raises:
        tf.errors.InvalidArgumentError: when it runs, if the file is damaged, or of a kind that is
            not read.
    """
    import tensorflow as tf

    encoded, orientation = checked_jpeg(encoded)
    stored = tf.io.extract_jpeg_shape(encoded)[:2]
    seen = size_as_seen(stored, orientation)
    eighth, quarter = sizes_of_copy(seen, smallest_part, least)

    def decoded(reduction):
        size = -(-stored // reduction)
        box = tf.unstack(tf.concat([[0, 0], size], axis=0))
        return tf.reshape(decode_box(encoded, box, size, reduction), [-1])

    def nothing():
        return tf.zeros((0,), tf.uint8)

    pixels = [
        tf.cond(eighth, lambda: decoded(8), nothing),
        tf.cond(quarter, lambda: decoded(4), nothing),
    ]
    sizes = _EIGHTH * tf.cast(eighth, tf.int32) + _QUARTER * tf.cast(quarter, tf.int32)
    return tf.stack([*tf.unstack(stored), orientation, sizes]), tf.concat(pixels, axis=0)


def sizes_of_copy(shape, smallest_part, least):
    """Returns whether a copy has the eighth, and whether it has the quarter, as bool scalars.

    Args:
        shape: int32 tensor (2,), height and width of the upright image.
        smallest_part: see `reduced_pixels`.
        least: see `reduced_pixels`.
    """
    import tensorflow as tf

    smallest, least = smallest_part(shape), tf.constant(least, tf.int32)
    pays = tf.reduce_all(smallest >= 4 * least)
    return (
        pays & tf.reduce_all(shape >= 8 * least),
        pays & ~tf.reduce_all(smallest >= 8 * least),
    )


def packed(header, pixels):
    """Returns the octets of a copy.

    Args:
        header: int32 array (4,), of `reduced_pixels`.
        pixels: uint8 array (n,), of `reduced_pixels`.
    """
    return _HEADER.pack(_MAGIC, *header.tolist(), zlib.crc32(pixels)) + pixels.tobytes()


def is_whole(copy):
    """Returns whether bytes are a copy of which nothing is missing or changed."""
    if len(copy) < _HEADER.size or not copy.startswith(_MAGIC):
        return False
    *_, checksum = _HEADER.unpack_from(copy)
    return zlib.crc32(memoryview(copy)[_HEADER.size :]) == checksum


def is_copy(encoded):
    """Returns whether a file is a copy, as a bool scalar.

    Args:
        encoded: scalar string tensor, the file's content.
    """
    import tensorflow as tf

    return tf.strings.substr(encoded, 0, len(_MAGIC)) == _MAGIC


def part_of_copy(copy, choose_box, least):
    """Returns a part of an image from its copy, with the pixels of `decode_part` from its file.

    Args:
        copy: scalar string tensor, the octets of a copy.
        choose_box: see `decode_part`.
        least: (height, width), as `reduced_pixels` was given it.

    Returns:
        As `decode_part`.
    """
    import tensorflow as tf

    header = tf.io.decode_raw(tf.strings.substr(copy, len(_MAGIC), 16), tf.int32)
    stored, sizes = header[:2], header[3]
    # TensorFlow evaluates this ahead for a constant file, even one that is no copy.
    orientation = tf.clip_by_value(header[2], 0, 8)
    seen = size_as_seen(stored, orientation)
    box = choose_box(seen)
    place = tf.stack(box_as_stored(box, seen, orientation))
    index = largest_reduction(tf.stack(box[2:]), tf.constant(least, tf.int32))
    reduction = tf.constant(REDUCTIONS)[index]
    outer, reduced, of_part = reduced_place(place, stored, orientation, reduction)
    columns = reduced[1]
    # Only rows with pixels of the part are taken. The quarter comes after the eighth.
    eighth = tf.reduce_prod(-(-stored // 8)) * tf.where((index == 1) & (sizes & 1 > 0), 3, 0)
    first = _HEADER.size + eighth + 3 * columns * outer[0]
    rows = tf.strings.substr(copy, first, 3 * columns * outer[2])
    pixels = tf.reshape(tf.io.decode_raw(rows, tf.uint8), (outer[2], columns, 3))
    return upright(pixels[:, outer[1] : outer[1] + outer[3]], orientation), of_part
