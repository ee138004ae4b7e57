"""Turning an image the right way up, in a TensorFlow graph.

Orientations are numbered as in EXIF: 1 is upright, 2 mirrored, 3 upside down, 4 both, and 5 to 8
are stored on their side.
"""


def upright(pixels, orientation):
    """Returns an image as it should be seen.

    Args:
        pixels: tensor (height, width, channels), as stored.
        orientation: int32 scalar from 1 to 8.

    Returns:
        A tensor of the same type, (height, width, channels) or (width, height, channels).
    """
    import tensorflow as tf

    def turn():
        on_side, rows, columns = _steps(orientation)
        turned = tf.cond(on_side, lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels)
        return tf.raw_ops.Reverse(tensor=turned, dims=tf.stack([rows, columns, False]))

    return tf.cond(orientation == 1, lambda: pixels, turn)


def size_as_seen(stored, orientation):
    """Returns the size of a stored image, or of a part of it, as it is seen.

    Args:
        stored: tensor (2,), height and width as stored.
        orientation: int32 scalar from 1 to 8.

    Returns:
        A tensor of the same type (2,).
    """
    import tensorflow as tf

    return tf.where(orientation >= 5, stored[::-1], stored)


def box_as_stored(box, seen, orientation):
    """Returns the place in the stored image of a part of the image that is seen.

    Args:
        box: top, left, height and width, int32 scalars.
        seen: int32 tensor, (height, width) of the image as seen.
        orientation: int32 scalar from 1 to 8.

    Returns:
        top, left, height and width, int32 scalars.
    """
    import tensorflow as tf

    top, left, height, width = box
    on_side, rows, columns = _steps(orientation)
    top = tf.where(rows, seen[0] - top - height, top)
    left = tf.where(columns, seen[1] - left - width, left)
    stored = tf.stack([top, left, height, width])
    return tf.unstack(tf.where(on_side, tf.gather(stored, (1, 0, 3, 2)), stored))


def offset_as_seen(before, after, orientation):
    """Returns the pixels above and to the left of a part of the image that is seen.

    Args:
        before: tensor (2,), pixels above and to the left of the part in the stored image.
        after: tensor (2,), pixels below and to the right of it.
        orientation: int32 scalar from 1 to 8.

    Returns:
        A tensor of the same type (2,).
    """
    import tensorflow as tf

    on_side, rows, columns = _steps(orientation)
    before, after = (tf.where(on_side, each[::-1], each) for each in (before, after))
    return tf.where(tf.stack([rows, columns]), after, before)


def _steps(orientation):
    """Returns whether to swap rows and columns, then to reverse rows, and to reverse columns."""
    import tensorflow as tf

    table = [(o >= 5, o in (3, 4, 7, 8), o in (2, 3, 6, 7)) for o in range(9)]
    return tf.unstack(tf.constant(table)[orientation])
