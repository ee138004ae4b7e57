"""The header of a JPEG file, its orientation, and refusal of some kinds, in a TensorFlow graph."""

from typing import Any, NamedTuple

from keras_cabvit.data.decoding.exif import orientation_from
from keras_cabvit.data.decoding.octets import big_endian, octets, part
from keras_cabvit.data.decoding.traced_once import rarely

_XMP = b"http://ns.adobe.com/xap/1.0/\0"


class JpegHeader(NamedTuple):
    """Header of a JPEG file, in the segments before the pixels: scalar tensors.

    Attributes:
        height: int64, in pixels, of the first frame; 0 if there is none.
        width: int64, in pixels, of the first frame; 0 if there is none.
        kind: int32, second octet of the marker that begins the frame.
        precision: int32, bits per channel of a pixel.
        components: int32, number of channels.
        adobe: boolean, whether there is an Adobe segment.
        exif: string, content of the EXIF segments; empty without any.
        xmp: string, content of the XMP segment; empty without any.
    """

    height: Any
    width: Any
    kind: Any
    precision: Any
    components: Any
    adobe: Any
    exif: Any
    xmp: Any


def jpeg_header(encoded):
    """Reads the segments before the pixels (ITU T.81, annex B), without decoding anything.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        A `JpegHeader`. Several EXIF segments are joined, and of several XMP segments the last
        counts, as in Pillow, which also passes over other octets between segments.
    """
    import tensorflow as tf

    end = tf.strings.length(encoded)

    def is_before_scan(place, frame, adobe, exif, xmp, ended):
        return ~ended & (place < end)

    def next_segment(place, frame, adobe, exif, xmp, ended):
        window = tf.cast(octets(encoded, place, 64), tf.int32)
        _, kind, high, low = tf.unstack(window[:4])
        # Octets that begin no segment, up to the next FF; FF and zero begin none either.
        strays = tf.reduce_min(tf.where(window == 0xFF, tf.range(64), 64))
        strays = tf.where((strays == 0) & (kind == 0), 2, strays)
        kind = tf.where(strays > 0, 0, kind)
        length = tf.maximum(256 * high + low, 2)
        content = part(encoded, place + 4, tf.where(kind >= 0xE0, length - 2, 0))
        is_exif = (kind == 0xE1) & (part(content, 0, 6) == b"Exif\0\0")
        is_xmp = (kind == 0xE1) & (part(content, 0, len(_XMP)) == _XMP)
        is_adobe = (kind == 0xEE) & (part(content, 0, 5) == b"Adobe") & (length >= 14)
        # C4, C8 and CC are not frames: Huffman tables, an extension, arithmetic coding.
        is_frame = (kind >= 0xC0) & (kind <= 0xCF) & (kind & 3 > 0) | (kind == 0xC0)
        exif_part = part(content, tf.where(exif == b"", 0, 6), tf.where(is_exif, length, 0))
        # A marker may be preceded by any number of FF; some markers have no length.
        alone = (kind == 0x01) | ((kind >= 0xD0) & (kind <= 0xD8))
        segment = tf.where(kind == 0xFF, 1, tf.where(alone, 2, 2 + length))
        return (
            place + tf.where(strays > 0, strays, segment),
            tf.where(is_frame & (frame == 0), place, frame),
            adobe | is_adobe,
            tf.strings.join([exif, exif_part]),
            tf.where(is_xmp, part(content, len(_XMP), length), xmp),
            (kind == 0xDA) | (kind == 0xD9),
        )

    _, frame, adobe, exif, xmp, _ = tf.while_loop(
        is_before_scan,
        next_segment,
        (tf.constant(2), tf.constant(0), tf.constant(False), "", "", tf.constant(False)),
        parallel_iterations=1,
        maximum_iterations=4096,  # segments of 64 kB: more than any real file has
    )
    found = octets(encoded, frame, 10) * tf.cast(frame > 0, tf.int64)
    kind, precision, components = (tf.cast(found[place], tf.int32) for place in (1, 4, 9))
    height, width = big_endian(found[5:7]), big_endian(found[7:9])
    return JpegHeader(
        height=height,
        width=width,
        kind=kind,
        precision=precision,
        components=components,
        adobe=adobe,
        exif=exif,
        xmp=xmp,
    )


def jpeg_refusal(header):
    """Returns a sentence about a kind of JPEG that is not decoded, or an empty string."""
    import tensorflow as tf

    lossless = header.kind & 3 == 3
    hierarchical = (header.kind & 7 >= 5) & ~lossless
    deep = (header.precision != 8) & (header.kind > 0)
    sentence = tf.where(deep, "JPEG files of more or less than 8 bits are not read.", "")
    sentence = tf.where(hierarchical, "Hierarchical JPEG files are not read.", sentence)
    return tf.where(lossless, "Lossless JPEG files are not read.", sentence)


def checked_jpeg(encoded):
    """Returns a file that TensorFlow decodes as Pillow does, and its orientation.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        A scalar string tensor, and an int32 scalar from 1 to 8.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the file is of a kind that is not
            read.
    """
    import tensorflow as tf

    return tf.cond(
        _is_plain(encoded, 0), lambda: (encoded, tf.constant(1)), lambda: _with_metadata(encoded)
    )


@rarely
def _with_metadata(encoded):
    import tensorflow as tf

    exif, end = _leading_metadata(encoded)
    return tf.cond(
        (end > 0) & _is_plain(encoded, end),
        lambda: (encoded, orientation_from(exif, tf.constant(""))),
        lambda: _by_all_segments(encoded),
    )


@rarely
def _by_all_segments(encoded):
    """Returns the same by reading every segment.

    CMYK is stored inverted, as Adobe does. Pillow assumes that of every file, libjpeg of those
    with Adobe's segment.
    """
    import tensorflow as tf

    header = jpeg_header(encoded)
    refusal = jpeg_refusal(header)
    with tf.control_dependencies([tf.debugging.Assert(refusal == b"", [refusal])]):
        adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
        missing = (header.components == 4) & ~header.adobe

        def completed():
            rest = part(encoded, 2, tf.strings.length(encoded))
            return tf.strings.join([b"\xff\xd8", adobe, rest])

        # Only then, because it copies the file.
        encoded = tf.cond(missing, completed, lambda: encoded)
        return encoded, orientation_from(header.exif, header.xmp)


def _leading_metadata(encoded):
    """Returns the EXIF segment near the beginning of a file, and the place after metadata there.

    Cameras and phones write EXIF first, or after a JFIF header, and then perhaps a colour profile;
    other programs write only a profile. Segments after these places may change the meaning of EXIF,
    which is for the caller to exclude.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        A scalar string tensor; and an int32 scalar, 0 if the file begins otherwise.
    """
    import tensorflow as tf

    def segment(place):
        """Returns the marker's two octets as a number, and the place after the segment."""
        mark, kind, high, low = tf.unstack(tf.cast(octets(encoded, place, 4), tf.int32))
        return 256 * mark + kind, place + 2 + tf.maximum(256 * high + low, 2)

    marker, following = segment(2)
    place = tf.where(marker == 0xFFE0, following, 2)
    marker, end = segment(place)
    # Pillow joins several EXIF segments: any in other places make a file that is not plain.
    exif = part(encoded, place + 4, tf.where(marker == 0xFFE1, end - place - 4, 0))
    found = part(exif, 0, 6) == b"Exif\0\0"
    place = tf.where(found, end, place)
    marker, following = segment(place)
    profiled = marker == 0xFFE2
    return exif, tf.where(profiled, following, tf.where(found, place, 0))


def _is_plain(encoded, place):
    """Returns whether a file has three components, is sequential, and has no metadata.

    Most of the small files that one trains on are plain, at least after their EXIF: the kilobyte
    from `place` has a scan of three components, and before it no segments but the JFIF header and
    tables. To find that out takes a third of the time that walking through the segments takes.

    Args:
        encoded: scalar string tensor, the file's content.
        place: integer or int32 scalar, the place of a marker.
    """
    import tensorflow as tf

    suspicious = [
        (0xC1 <= kind <= 0xCF and kind != 0xC4) or 0xE1 <= kind <= 0xFE for kind in range(256)
    ]
    start = tf.cast(octets(encoded, place, 1024), tf.int32)
    pairs = 256 * start[:-1] + start[1:]
    # Beyond any doubt: tables do not hold the zero that follows.
    scans = (pairs[:-2] == 0xFFDA) & (pairs[2:] == 0x000C)
    scan = tf.argmax(scans, output_type=tf.int32)
    others = tf.gather(tf.constant(suspicious), start[1:]) & (start[:-1] == 0xFF)
    return scans[scan] & ~tf.reduce_any(others[:scan])
