"""Format and size of an image file from its header, in a TensorFlow graph, without decoding it."""

from keras_cabvit.data.gif import first_gif_frame

# The default limit: 192 MB of pixels. An image of 12,000x12,000 may be a file of 400 kB, but would
# take 432 MB.
MAX_MEGAPIXELS = 64


def is_image_file(encoded):
    """Returns whether strings of any shape begin like a JPEG, PNG, GIF or WebP file."""
    import tensorflow as tf

    start = tf.strings.join([tf.strings.substr(encoded, 0, 12), b"\0" * 12])
    return _is_jpeg(start) | _is_png(start) | _is_gif(start) | _is_webp(start)


def image_size(encoded):
    """Returns the size given in the header of a JPEG, PNG, GIF, WebP or BMP file.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        An int64 tensor, (height, width); zeros if the header gives none.
    """
    import tensorflow as tf

    # Padded, so that the fields of a short file can be read.
    start = tf.strings.join([tf.strings.substr(encoded, 0, 32), b"\0" * 32])
    octets = _octets(start)
    return tf.case(
        [
            (_is_jpeg(start), lambda: _jpeg_size(encoded)),
            (_is_png(start), lambda: _big_endian(octets, (20, 16), 4)),
            (_is_gif(start), lambda: first_gif_frame(encoded)[1]),
            (_is_webp(start), lambda: _webp_size(start, octets)),
            (tf.strings.substr(start, 0, 2) == b"BM", lambda: _bmp_size(octets)),
        ],
        default=lambda: tf.zeros((2,), tf.int64),
    )


def _is_jpeg(start):
    import tensorflow as tf

    return tf.strings.substr(start, 0, 3) == b"\xff\xd8\xff"


def _is_png(start):
    import tensorflow as tf

    return tf.strings.substr(start, 0, 8) == b"\x89PNG\r\n\x1a\n"


def _is_gif(start):
    import tensorflow as tf

    return tf.strings.substr(start, 0, 4) == b"GIF8"


def _is_webp(start):
    import tensorflow as tf

    return (tf.strings.substr(start, 0, 4) == b"RIFF") & (tf.strings.substr(start, 8, 4) == b"WEBP")


def _octets(text):
    import tensorflow as tf

    return tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int64)


def _big_endian(octets, places, length):
    """Returns the numbers of `length` octets that begin at the given places."""
    import tensorflow as tf

    values = []
    for place in places:
        value = tf.constant(0, tf.int64)
        for index in range(length):
            value = 256 * value + octets[place + index]
        values.append(value)
    return tf.stack(values)


def _little_endian(octets, places, length):
    return _big_endian(octets[::-1], [-place - length for place in places], length)


def _webp_size(start, octets):
    """Reads the first chunk: lossy, lossless or extended (RFC 9649)."""
    import tensorflow as tf

    bits = _little_endian(octets, (21,), 4)[0]
    return tf.case(
        [
            (
                tf.strings.substr(start, 12, 4) == b"VP8 ",
                lambda: _little_endian(octets, (28, 26), 2) % 2**14,
            ),
            (
                tf.strings.substr(start, 12, 4) == b"VP8L",
                lambda: 1 + tf.stack([bits // 2**14 % 2**14, bits % 2**14]),
            ),
        ],
        default=lambda: 1 + _little_endian(octets, (27, 24), 3),
    )


def _bmp_size(octets):
    """Returns the size; a negative height, in two's complement, means top-down rows."""
    import tensorflow as tf

    size = _little_endian(octets, (22, 18), 4)
    return tf.where(size < 2**31, size, 2**32 - size)


def _jpeg_size(encoded):
    """Steps from segment to segment up to the one that begins a frame (ITU T.81, annex B)."""
    import tensorflow as tf

    octets = tf.io.decode_raw(tf.strings.join([encoded, b"\0" * 16]), tf.uint8)
    end = tf.strings.length(encoded)

    def is_marker(place):
        return (place < end) & (octets[tf.minimum(place, end)] == 0xFF)

    def is_frame(place):
        kind = octets[tf.minimum(place, end) + 1]
        # C4, C8 and CC are not frames: Huffman tables, an extension, arithmetic coding.
        return (kind >= 0xC0) & (kind <= 0xCF) & (kind != 0xC4) & (kind != 0xC8) & (kind != 0xCC)

    def is_before_frame(place):
        return is_marker(place) & ~is_frame(place)

    def next_segment(place):
        kind = octets[place + 1]
        high, low = tf.unstack(tf.cast(octets[place + 2 : place + 4], tf.int32), num=2)
        length = 256 * high + low
        # A marker may be preceded by any number of FF; some markers have no length.
        alone = (kind == 0x01) | ((kind >= 0xD0) & (kind <= 0xD8))
        return [place + tf.where(kind == 0xFF, 1, tf.where(alone, 2, 2 + tf.maximum(length, 2)))]

    (place,) = tf.while_loop(
        is_before_frame,
        next_segment,
        [tf.constant(2)],
        parallel_iterations=1,
        maximum_iterations=4096,  # segments of 64 kB: more than any real file has
    )
    place = tf.minimum(place, end)
    found = is_marker(place) & is_frame(place)
    frame = tf.cast(octets[place : place + 9], tf.int64)
    return tf.where(found, _big_endian(frame, (5, 7), 2), tf.zeros((2,), tf.int64))
