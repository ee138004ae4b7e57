"""The format of an image file by its first octets, in a TensorFlow graph.

Each function takes strings of any shape, of at least twelve octets, and returns booleans of that
shape.
"""


def padded_start(encoded):
    """Returns the first 32 octets of files, and zeros, so that every field of a header exists."""
    import tensorflow as tf

    return tf.strings.join([tf.strings.substr(encoded, 0, 32), b"\0" * 32])


def is_jpeg(start):
    """Returns whether it is JPEG."""
    return _begins(start, b"\xff\xd8\xff")


def is_png(start):
    """Returns whether it is PNG."""
    return _begins(start, b"\x89PNG\r\n\x1a\n")


def is_gif(start):
    """Returns whether it is GIF."""
    return _begins(start, b"GIF87a") | _begins(start, b"GIF89a")


def is_webp(start):
    """Returns whether it is WebP."""
    return _begins(start, b"RIFF") & _begins(start, b"WEBP", place=8)


def is_bmp(start):
    """Returns whether it is BMP."""
    return _begins(start, b"BM")


def is_heif(start):
    """Returns whether it is HEIC or AVIF (or a video, which begins alike)."""
    return _begins(start, b"ftyp", place=4)


def _begins(start, magic, place=0):
    import tensorflow as tf

    return tf.strings.substr(start, place, len(magic)) == magic
