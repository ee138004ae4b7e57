"""Format and size of an image file from its header, in a TensorFlow graph, without decoding it."""

from keras_cabvit.data.decoding.bmp import bmp_header
from keras_cabvit.data.decoding.formats import (
    is_bmp,
    is_gif,
    is_jpeg,
    is_png,
    is_webp,
    padded_start,
)
from keras_cabvit.data.decoding.gif import gif_size
from keras_cabvit.data.decoding.jpeg import jpeg_header
from keras_cabvit.data.decoding.octets import big_endian, little_endian, octets
from keras_cabvit.data.decoding.traced_once import traced_once

# The default limit: 192 MB of pixels. An image of 12,000x12,000 may be a file of 400 kB, but would
# take 432 MB.
MAX_MEGAPIXELS = 64


def is_image_file(encoded):
    """Returns whether strings of any shape begin like a JPEG, PNG, WebP, GIF or BMP file."""
    start = padded_start(encoded)
    return is_jpeg(start) | is_png(start) | is_gif(start) | is_webp(start) | is_bmp(start)


@traced_once
def image_size(encoded):
    """Returns the size given in the header of a JPEG, PNG, WebP, GIF or BMP file.

    It is that of the image as stored: an orientation that turns it by a quarter is not applied.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        An int64 tensor, (height, width); zeros if the header gives none.
    """
    import tensorflow as tf

    start = padded_start(encoded)
    return tf.case(
        [
            (is_jpeg(start), lambda: _height_and_width(jpeg_header(encoded))),
            (is_png(start), lambda: big_endian(tf.reshape(octets(encoded, 16, 8), (2, 4)))[::-1]),
            (is_gif(start), lambda: gif_size(encoded)),
            (is_webp(start), lambda: _webp_size(encoded)),
            (is_bmp(start), lambda: _height_and_width(bmp_header(encoded))),
        ],
        default=lambda: tf.zeros((2,), tf.int64),
    )


def _height_and_width(header):
    import tensorflow as tf

    return tf.stack([header.height, header.width])


def _webp_size(encoded):
    """Reads the first chunk: lossy, lossless or extended (RFC 9649)."""
    import tensorflow as tf

    kind = tf.strings.substr(padded_start(encoded), 12, 4)
    start = octets(encoded, 0, 32)
    bits = little_endian(start[21:25])
    lossy = little_endian(tf.reshape(start[26:30], (2, 2)))[::-1] % 2**14
    lossless = 1 + tf.stack([bits // 2**14 % 2**14, bits % 2**14])
    extended = 1 + little_endian(tf.reshape(start[24:30], (2, 3)))[::-1]
    return tf.where(kind == b"VP8 ", lossy, tf.where(kind == b"VP8L", lossless, extended))
