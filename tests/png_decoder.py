"""A decoder of PNG files alone, for tests of everything around the images.

TensorFlow takes seconds to compile the library's decoder of all formats into each data set.
"""

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
