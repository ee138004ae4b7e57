"""The colours of GIF and BMP files, in a TensorFlow graph."""

import numpy as np


def full_palette(stored):
    """Returns a palette of 256 colours, as Pillow understands one of fewer.

    Colours that the file lacks are black. If all that it has are the grey levels of their own
    index, as if there were no palette, the others are too.

    Args:
        stored: uint8 tensor (count, 3), red, green and blue, of at most 256 colours.

    Returns:
        A uint8 tensor (256, 3).
    """
    import tensorflow as tf

    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    count = tf.shape(stored)[0]
    grey = tf.reduce_all(stored == tf.constant(levels)[:count])
    others = tf.where(grey, levels, np.zeros_like(levels))
    return tf.ensure_shape(tf.concat([stored, others[count:]], axis=0), (256, 3))
