"""The orientation that PNG and WebP files state in their chunks, in a TensorFlow graph."""

from keras_cabvit.data.decoding.exif import orientation_from
from keras_cabvit.data.decoding.octets import big_endian, little_endian, octets, part
from keras_cabvit.data.decoding.traced_once import rarely

_PNG_XMP = b"XML:com.adobe.xmp\0"


def png_orientation(encoded):
    """Returns the orientation of a PNG file, an int32 scalar from 1 to 8.

    It is that of the last eXIf chunk, or of uncompressed XMP. Chunks may follow the pixels, which
    may be in many, so a file is searched only if it holds the name of one at all.
    """
    import tensorflow as tf

    pattern = r"\C*(?:eXIf|XML:com\.adobe\.xmp)\C*"
    named = tf.strings.regex_full_match(encoded, pattern)
    return tf.cond(named, lambda: _of_png_chunks(encoded), lambda: tf.constant(1))


@rarely
def _of_png_chunks(encoded):
    import tensorflow as tf

    def step(place, exif, xmp):
        length = tf.cast(tf.minimum(big_endian(octets(encoded, place, 4)), 2**30), tf.int32)
        kind = part(encoded, place + 4, 4)
        text = part(encoded, place + 8, tf.where(kind == b"iTXt", length, 0))
        is_xmp = part(text, 0, len(_PNG_XMP) + 1) == _PNG_XMP + b"\0"
        own = part(encoded, place + 8, tf.where(kind == b"eXIf", length, 0))
        return (
            tf.where(kind == b"IEND", 2**30, place + 12 + length),
            tf.where(kind == b"eXIf", tf.strings.join([b"Exif\0\0", own]), exif),
            tf.where(is_xmp, text, xmp),
        )

    return orientation_from(*_walk(encoded, step, 8))


def webp_orientation(encoded):
    """Returns the orientation of a WebP file, an int32 scalar from 1 to 8.

    It is that of the first EXIF chunk, or of the first XMP chunk. The extended header says which of
    them there are (RFC 9649, section 2.7).
    """
    import tensorflow as tf

    extended = part(encoded, 12, 4) == b"VP8X"
    return tf.cond(extended, lambda: _of_webp_chunks(encoded), lambda: tf.constant(1))


@rarely
def _of_webp_chunks(encoded):
    import tensorflow as tf

    flags = tf.cast(octets(encoded, 20, 1)[0], tf.int32)

    def step(place, exif, xmp):
        length = little_endian(octets(encoded, place + 4, 4))
        length = tf.cast(tf.minimum(length, 2**30), tf.int32)
        kind = part(encoded, place, 4)
        is_exif = (kind == b"EXIF") & (flags & 8 > 0) & (exif == b"")
        is_xmp = (kind == b"XMP ") & (flags & 4 > 0) & (xmp == b"")
        content = part(encoded, place + 8, tf.where(is_exif | is_xmp, length, 0))
        return (
            place + 8 + length + length % 2,
            tf.where(is_exif, content, exif),
            tf.where(is_xmp, content, xmp),
        )

    return orientation_from(*_walk(encoded, step, 12))


def _walk(encoded, step, start):
    """Goes from chunk to chunk; returns EXIF and XMP."""
    import tensorflow as tf

    end = tf.strings.length(encoded)
    _, exif, xmp = tf.while_loop(
        lambda place, exif, xmp: (place >= 0) & (place < end),
        step,
        (tf.constant(start), "", ""),
        parallel_iterations=1,
        maximum_iterations=2**16,
    )
    return exif, xmp
