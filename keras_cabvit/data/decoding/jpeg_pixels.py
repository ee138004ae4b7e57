"""The pixels of a JPEG file, whole or a part, in full or reduced, in a TensorFlow graph."""

from keras_cabvit.data.decoding.jpeg import checked_jpeg
from keras_cabvit.data.decoding.orientation import (
    box_as_stored,
    offset_as_seen,
    size_as_seen,
    upright,
)
from keras_cabvit.data.decoding.traced_once import rarely

# Reductions by which JPEG files can be decoded directly, which takes a fraction of the time.
REDUCTIONS = (8, 4, 2)
# Columns beside a part that are decoded with it. Colours are stored at half the resolution, and
# those of the outermost columns depend on columns that the decoder does not know if they are left
# out.
_BESIDE = 2


def decode_jpeg(encoded):
    """Decodes a JPEG file with its orientation applied.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        A uint8 tensor (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the file is damaged, truncated or of
            a kind that is not read.
    """
    import tensorflow as tf

    encoded, orientation = checked_jpeg(encoded)
    # As Pillow does; TensorFlow's faster default differs by up to 4 levels.
    pixels = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
    return upright(pixels, orientation)


def decode_jpeg_part(encoded, choose_box, least=None):
    """Decodes a part of a JPEG file, see `decode_part`."""
    import tensorflow as tf

    encoded, orientation = checked_jpeg(encoded)
    stored = tf.io.extract_jpeg_shape(encoded)[:2]
    seen = size_as_seen(stored, orientation)
    box = choose_box(seen)
    place = box_as_stored(box, seen, orientation)

    def full():
        pixels = upright(decode_box(encoded, place, stored, 1), orientation)
        return pixels, tf.cast(tf.stack([0, 0, *box[2:]]), tf.float32)

    if least is None:
        return full()
    sides, least = tf.stack(box[2:]), tf.constant(least, tf.int32)
    return tf.cond(
        tf.reduce_all(sides >= REDUCTIONS[-1] * least),
        lambda: _decode_reduced(encoded, tf.stack(place), orientation, sides, least),
        full,
    )


@rarely(place=(4,), orientation=(), sides=(2,), least=(2,))
def _decode_reduced(encoded, place, orientation, sides, least):
    """Decodes a part of a JPEG file in the smallest size in which it has `least` pixels.

    Args:
        encoded: scalar string tensor, the file's content.
        place: int32 tensor (4,), the part in the stored image: top, left, height, width.
        orientation: int32 scalar from 1 to 8.
        sides: int32 tensor (2,), height and width of the part as seen, of at least twice `least`.
        least: int32 tensor (2,).

    Returns:
        As `decode_part`.
    """
    import tensorflow as tf

    index = largest_reduction(sides, least)
    stored = tf.io.extract_jpeg_shape(encoded)[:2]
    outer, reduced, box = reduced_place(place, stored, orientation, tf.constant(REDUCTIONS)[index])
    pixels = tf.switch_case(
        index,
        [lambda by=by: decode_box(encoded, tf.unstack(outer), reduced, by) for by in REDUCTIONS],
    )
    return upright(pixels, orientation), box


def largest_reduction(sides, least):
    """Returns the position in `REDUCTIONS` of the largest one that leaves a part enough pixels.

    Args:
        sides: int32 tensor (2,), height and width of the part.
        least: int32 tensor (2,), fewest pixels; `sides` are at least twice as many.
    """
    import tensorflow as tf

    allowed = [tf.reduce_all(sides >= reduction * least) for reduction in REDUCTIONS]
    return tf.argmax(tf.stack(allowed), output_type=tf.int32)


def reduced_place(place, stored, orientation, reduction):
    """Returns the place of a part in a reduced image.

    Args:
        place: int32 tensor (4,), the part in the stored image: top, left, height, width.
        stored: int32 tensor (2,), height and width of the stored image in full size.
        orientation: int32 scalar from 1 to 8.
        reduction: int32 scalar.

    Returns:
        outer: int32 tensor (4,), the pixels of the reduced image, as stored, that contain the part.
        reduced: int32 tensor (2,), height and width of the reduced image, as stored.
        box: float32 tensor (4,), the part in `outer` as seen; it may begin and end inside pixels.
    """
    import tensorflow as tf

    corner, end = place[:2], place[:2] + place[2:]
    reduced = -(-stored // reduction)  # a last pixel of fewer than the others
    first = corner // reduction
    last = tf.minimum(-(-end // reduction), reduced)
    before, after = corner - first * reduction, last * reduction - end
    offset = offset_as_seen(before, after, orientation)
    sides = size_as_seen(place[2:], orientation)
    box = tf.cast(tf.concat([offset, sides], axis=0) / reduction, tf.float32)
    return tf.concat([first, last - first], axis=0), reduced, box


def decode_box(encoded, box, size, reduction):
    """Decodes a part of a JPEG file as stored, every side reduced by 1, 2, 4 or 8.

    Args:
        encoded: scalar string tensor, the file's content.
        box: top, left, height and width in the reduced image, int32 scalars.
        size: int32 tensor, (height, width) of the reduced image.
        reduction: integer.

    Returns:
        A uint8 tensor (height, width, 3).
    """
    import tensorflow as tf

    top, left, height, width = box
    first = tf.maximum(left - _BESIDE, 0)
    last = tf.minimum(left + width + _BESIDE, size[1])
    pixels = tf.image.decode_and_crop_jpeg(
        encoded,
        tf.stack([top, first, height, last - first]),
        channels=3,
        ratio=reduction,
        dct_method="INTEGER_ACCURATE",
    )
    return pixels[:, left - first : left - first + width]
