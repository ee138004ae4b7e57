"""Decoding an image file to pixels in a TensorFlow graph."""

from keras_cabvit.data.gif import first_gif_frame


def decode_rgb(encoded):
    """Decodes a JPEG, PNG, WebP, GIF or BMP file of any kind to red, green and blue.

    Like Pillow's `convert("RGB")`: grey becomes three equal channels, transparency is dropped, and
    an animation is reduced to its first frame. 16-bit PNG files keep their upper eight bits.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        A uint8 tensor (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the bytes are not such a file, or
            if the file is truncated or damaged.
    """
    import tensorflow as tf

    # Padded, so that even a file of a few bytes has a full header.
    start = tf.strings.join([tf.strings.substr(encoded, 0, 32), b"\0" * 32])
    header = tf.io.decode_raw(start, tf.uint8)

    def jpeg():
        # As Pillow does; TensorFlow's faster default differs by up to 4 levels.
        return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")

    def gif():
        frame, _ = first_gif_frame(encoded)
        return tf.io.decode_image(frame, channels=3, expand_animations=False)

    def webp():
        animated = tf.logical_and(tf.strings.substr(start, 12, 4) == b"VP8X", header[20] & 2 > 0)
        # TensorFlow decodes WebP only with the file's own number of channels: three or four.
        return tf.cond(
            animated,
            lambda: _first_webp_frame(encoded),
            lambda: tf.io.decode_image(encoded, channels=0, expand_animations=False),
        )[..., :3]

    def palette_bmp():
        # TensorFlow mistakes the indices of the colours for grey levels.
        indices = tf.io.decode_image(encoded, channels=0, expand_animations=False)[..., 0]
        end, header_size = tf.unstack(
            tf.io.decode_raw(tf.strings.substr(start, 10, 8), tf.int32), num=2
        )
        colours = tf.strings.substr(encoded, 14 + header_size, end - 14 - header_size)
        blue_green_red = tf.reshape(tf.io.decode_raw(colours, tf.uint8), (-1, 4))
        return tf.gather(blue_green_red[:, 2::-1], tf.cast(indices, tf.int32))

    pixels = tf.case(
        [
            (tf.io.is_jpeg(encoded), jpeg),
            (tf.strings.substr(start, 0, 4) == b"GIF8", gif),
            (tf.strings.substr(start, 8, 4) == b"WEBP", webp),
            (
                tf.logical_and(tf.strings.substr(start, 0, 2) == b"BM", header[28] == 8),
                palette_bmp,
            ),
        ],
        default=lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
    )
    return tf.ensure_shape(pixels, (None, None, 3))


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
