"""Decoding an image file to pixels in a TensorFlow graph."""

from keras_cabvit.data.decoding.bmp import bmp_header, bmp_refusal, decode_bmp
from keras_cabvit.data.decoding.chunks import png_orientation, webp_orientation
from keras_cabvit.data.decoding.formats import (
    is_bmp,
    is_gif,
    is_heif,
    is_jpeg,
    is_png,
    is_webp,
    padded_start,
)
from keras_cabvit.data.decoding.gif import decode_gif
from keras_cabvit.data.decoding.image_header import image_size
from keras_cabvit.data.decoding.jpeg import jpeg_header, jpeg_refusal
from keras_cabvit.data.decoding.jpeg_pixels import decode_jpeg, decode_jpeg_part
from keras_cabvit.data.decoding.orientation import upright
from keras_cabvit.data.decoding.reduced_copy import is_copy, part_of_copy
from keras_cabvit.data.decoding.traced_once import rarely, traced_once

_HEIF = "HEIC and AVIF files are not read; `cabvit convert-images` makes JPEG files of them."
NO_IMAGE = "The bytes are not a JPEG, PNG, WebP, GIF or BMP file."


def decode_rgb(encoded, choose_box=None):
    """Decodes a JPEG, PNG, WebP, GIF or BMP file to red, green and blue, the right way up.

    The pixels are those of Pillow's `ImageOps.exif_transpose(image).convert("RGB")`: orientation is
    applied (from EXIF, else XMP), grey becomes three equal channels, transparency is dropped, and
    an animation is reduced to its first frame. Exceptions are listed in docs/images.md: CMYK in
    JPEG differs by at most one level, 16-bit grey PNG files keep their upper eight bits, and a
    few kinds are refused, such as run-length encoded BMP files.

    Args:
        encoded: scalar string tensor, the file's content.
        choose_box: function of an int32 tensor (height, width) of the upright image, which returns
            top, left, height and width of the part that is wanted, int32 scalars. Of a JPEG file
            only that part is decoded. By default the whole image.

    Returns:
        A uint8 tensor (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the bytes are not such a file, or
            if the file is truncated or damaged, or of a kind that is not read, which the message
            then names.
    """
    if choose_box is not None:
        return decode_part(encoded, choose_box)[0]
    return _decode_whole(encoded)


@traced_once
def _decode_whole(encoded):
    """Returns uint8 (height, width, 3)."""
    return _by_format(encoded, decode_jpeg, lambda pixels: pixels)


def decode_part(encoded, choose_box, least=None):
    """Decodes a part of an image file, of a large JPEG file in half its size or less.

    Args:
        encoded: scalar string tensor, the file's content; with `least` also that of a reduced copy
            (`keras_cabvit.data.decoding.reduced_copy`) made for parts of that size.
        choose_box: see `decode_rgb`.
        least: (height, width), fewest pixels that the part must keep when it is reduced. A JPEG
            file is decoded 8, 4 or 2 times smaller, at the smallest size that has so many.
            None decodes in full.

    Returns:
        A uint8 tensor (height, width, 3), and the place of the part in it, a float32 tensor: top,
        left, height and width. Unless it is reduced, the part is all that is returned, with the
        pixels of `decode_rgb`; else it may begin and end inside pixels.

    Raises:
        tf.errors.InvalidArgumentError: as `decode_rgb`.
    """
    import tensorflow as tf

    def cut(pixels):
        top, left, height, width = choose_box(tf.shape(pixels)[:2])
        pixels = pixels[top : top + height, left : left + width]
        return pixels, tf.cast(tf.stack([0, 0, height, width]), tf.float32)

    def of_file():
        return _by_format(encoded, lambda jpeg: decode_jpeg_part(jpeg, choose_box, least), cut)

    if least is None:
        return of_file()
    return tf.cond(is_copy(encoded), lambda: part_of_copy(encoded, choose_box, least), of_file)


def _by_format(encoded, read_jpeg, finish):
    """Decodes a file by its format; `finish` takes the pixels of all but JPEG files."""
    import tensorflow as tf

    start = padded_start(encoded)

    def unknown():
        known = tf.debugging.Assert(False, [NO_IMAGE])
        with tf.control_dependencies([known]):
            return finish(tf.zeros((0, 0, 3), tf.uint8))

    decoded = tf.case(
        [
            (is_jpeg(start), lambda: read_jpeg(encoded)),
            (is_png(start), lambda: finish(_decode_png(encoded))),
            (is_webp(start), lambda: finish(_decode_webp(encoded))),
            (is_gif(start), lambda: finish(decode_gif(encoded))),
            (is_bmp(start), lambda: finish(decode_bmp(encoded))),
        ],
        default=unknown,
    )
    if isinstance(decoded, (tuple, list)):
        pixels, place = decoded
        return tf.ensure_shape(pixels, (None, None, 3)), tf.ensure_shape(place, (4,))
    return tf.ensure_shape(decoded, (None, None, 3))


# Limit of libpng (PNG_USER_WIDTH_MAX and PNG_USER_HEIGHT_MAX), with which TensorFlow decodes.
_MOST_PNG_SIDE = 1_000_000


def _png_refusal(encoded):
    import tensorflow as tf

    too_long = tf.reduce_max(image_size(encoded)) > _MOST_PNG_SIDE
    return tf.where(
        too_long, f"PNG files of more than {_MOST_PNG_SIDE:,} pixels a side are not read.", ""
    )


@rarely
def refusal(encoded):
    """Returns a sentence if a file is of a kind that is not read, else an empty string.

    Args:
        encoded: scalar string tensor, the file's content.
    """
    import tensorflow as tf

    start = padded_start(encoded)
    return tf.case(
        [
            (is_jpeg(start), lambda: jpeg_refusal(jpeg_header(encoded))),
            (is_png(start), lambda: _png_refusal(encoded)),
            (is_bmp(start), lambda: bmp_refusal(bmp_header(encoded))),
            (is_heif(start), lambda: tf.constant(_HEIF)),
        ],
        default=lambda: tf.constant(""),
    )


@rarely
def _decode_png(encoded):
    """Returns uint8 (height, width, 3)."""
    import tensorflow as tf

    pixels = tf.io.decode_png(encoded, channels=3)
    return upright(pixels, png_orientation(encoded))


@rarely
def _decode_webp(encoded):
    """Returns uint8 (height, width, 3)."""
    import tensorflow as tf

    start = padded_start(encoded)
    flags = tf.io.decode_raw(start, tf.uint8)[20]
    animated = (tf.strings.substr(start, 12, 4) == b"VP8X") & (flags & 2 > 0)
    # TensorFlow decodes WebP only with the file's own number of channels: three or four.
    pixels = tf.cond(
        animated,
        lambda: _first_webp_frame(encoded),
        lambda: tf.io.decode_image(encoded, channels=0, expand_animations=False),
    )
    return upright(pixels[..., :3], webp_orientation(encoded))


def _first_webp_frame(encoded):
    """Returns the first frame of an animation, uint8 (height, width, 4).

    TensorFlow 2.21 refuses an animation without transparency, and overruns its buffer if asked for
    the file's own number of channels. With the transparency flag set in the header, it decodes all.
    """
    import tensorflow as tf

    every_byte = tf.constant([bytes([byte]) for byte in range(256)])
    flags = tf.io.decode_raw(tf.strings.substr(encoded, 20, 1), tf.uint8)[0]
    parts = [
        tf.strings.substr(encoded, 0, 20),
        every_byte[tf.cast(flags | 0x10, tf.int32)],
        tf.strings.substr(encoded, 21, tf.strings.length(encoded) - 21),
    ]
    return tf.io.decode_image(tf.strings.join(parts), channels=4, expand_animations=False)
