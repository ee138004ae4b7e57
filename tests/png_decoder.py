"""A decoder of PNG files alone, for tests of everything around the images.

TensorFlow takes seconds to compile the library's decoder of all formats into each data set.
"""

import functools

from keras_cabvit.data import file_batches, image_bytes
from keras_cabvit.data.decoding import decode


def read_png_only(patch):
    """Makes data sets and exports read PNG files alone, until `patch` is undone.

    Args:
        patch: `pytest.MonkeyPatch`.
    """
    import tensorflow as tf

    def by_format(encoded, read_jpeg, finish):
        return finish(tf.io.decode_png(encoded, channels=3))

    patch.setattr(decode, "_by_format", by_format)
    patch.setattr(decode, "_decode_whole", lambda encoded: tf.io.decode_png(encoded, channels=3))
    # What the library has compiled reads all formats, and what is compiled now must not outlive
    # the patch.
    reader = functools.lru_cache(image_bytes.image_reader.__wrapped__)
    for module in (image_bytes, file_batches):
        patch.setattr(module, "image_reader", reader)
