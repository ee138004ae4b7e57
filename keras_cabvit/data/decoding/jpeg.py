"""Reading JPEG files in a TensorFlow graph: their header, and their pixels the right way up."""

from collections import namedtuple

from keras_cabvit.data.decoding.exif import orientation_from
from keras_cabvit.data.decoding.octets import big_endian, octets, part
from keras_cabvit.data.decoding.orientation import box_as_stored, upright
from keras_cabvit.data.decoding.rarely import rarely

_XMP = b"http://ns.adobe.com/xap/1.0/\0"

# height, width: int64, of the first frame, zeros if there is none; kind: second octet of the marker
# that begins it, and precision and components, int32; adobe: whether there is an Adobe segment;
# exif, xmp: strings. All are scalars.
Header = namedtuple("Header", "height width kind precision components adobe exif xmp")


def jpeg_header(encoded):
    """Reads the segments before the pixels (ITU T.81, annex B), without decoding anything.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        A `Header`. Several EXIF segments are joined, and of several XMP segments the last counts,
        as in Pillow.
    """
    import tensorflow as tf

    end = tf.strings.length(encoded)

    def is_before_scan(place, frame, adobe, exif, xmp, ended):
        return ~ended & (place < end)

    def next_segment(place, frame, adobe, exif, xmp, ended):
        mark, kind, high, low = tf.unstack(tf.cast(octets(encoded, place, 4), tf.int32))
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
        return (
            place + tf.where(kind == 0xFF, 1, tf.where(alone, 2, 2 + length)),
            tf.where(is_frame & (frame == 0), place, frame),
            adobe | is_adobe,
            tf.strings.join([exif, exif_part]),
            tf.where(is_xmp, part(content, len(_XMP), length), xmp),
            (mark != 0xFF) | (kind == 0xDA) | (kind == 0xD9),
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
    return Header(height, width, kind, precision, components, adobe, exif, xmp)


def jpeg_refusal(header):
    """Returns a sentence about a kind of JPEG that is not decoded, or an empty string."""
    import tensorflow as tf

    lossless = header.kind & 3 == 3
    hierarchical = (header.kind & 7 >= 5) & ~lossless
    deep = (header.precision != 8) & (header.kind > 0)
    sentence = tf.where(deep, "JPEG files of more or less than 8 bits are not read.", "")
    sentence = tf.where(hierarchical, "Hierarchical JPEG files are not read.", sentence)
    return tf.where(lossless, "Lossless JPEG files are not read.", sentence)


def decode_jpeg(encoded, choose_box=None):
    """Decodes a JPEG file, or a part of it, with its orientation applied.

    Args:
        encoded: scalar string tensor, the file's content.
        choose_box: see `decode_rgb`.

    Returns:
        A uint8 tensor (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the file is damaged, truncated or of
            a kind that is not read.
    """
    import tensorflow as tf

    encoded, orientation = tf.cond(
        _is_plain(encoded), lambda: (encoded, tf.constant(1)), lambda: _checked(encoded)
    )
    if choose_box is None:
        # As Pillow does; TensorFlow's faster default differs by up to 4 levels.
        pixels = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
        return upright(pixels, orientation)
    stored = tf.io.extract_jpeg_shape(encoded)[:2]
    seen = tf.where(orientation >= 5, stored[::-1], stored)
    top, left, height, width = box_as_stored(choose_box(seen), seen, orientation)
    # Colours are stored at half the resolution, and those of the outermost columns depend on
    # columns beside them, which the decoder does not know if they are left out.
    first, last = tf.maximum(left - 2, 0), tf.minimum(left + width + 2, stored[1])
    pixels = tf.image.decode_and_crop_jpeg(
        encoded,
        tf.stack([top, first, height, last - first]),
        channels=3,
        dct_method="INTEGER_ACCURATE",
    )
    return upright(pixels[:, left - first : left - first + width], orientation)


@rarely
def _checked(encoded):
    """Returns the file as TensorFlow decodes it as Pillow does, and its orientation.

    CMYK is stored inverted, as Adobe does. Pillow assumes that of every file, libjpeg of those
    with Adobe's segment.
    """
    import tensorflow as tf

    header = jpeg_header(encoded)
    refusal = jpeg_refusal(header)
    with tf.control_dependencies([tf.debugging.Assert(refusal == b"", [refusal])]):
        adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
        missing = (header.components == 4) & ~header.adobe
        rest = part(encoded, 2, tf.strings.length(encoded))
        encoded = tf.where(missing, tf.strings.join([b"\xff\xd8", adobe, rest]), encoded)
        return encoded, orientation_from(header.exif, header.xmp)


def _is_plain(encoded):
    """Returns whether the file has three components, is sequential, and certainly upright.

    Most of the small files that one trains on are: their first kilobyte has a scan of three
    components, and before it no segments but the JFIF header and tables. To find that out takes a
    third of the time that walking through the segments takes.
    """
    import tensorflow as tf

    suspicious = [
        (0xC1 <= kind <= 0xCF and kind != 0xC4) or 0xE1 <= kind <= 0xFE for kind in range(256)
    ]
    start = tf.cast(octets(encoded, 0, 1024), tf.int32)
    pairs = 256 * start[:-1] + start[1:]
    # Beyond any doubt: tables do not hold the zero that follows.
    scans = (pairs[:-2] == 0xFFDA) & (pairs[2:] == 0x000C)
    place = tf.argmax(scans, output_type=tf.int32)
    others = tf.gather(tf.constant(suspicious), start[1:]) & (start[:-1] == 0xFF)
    return scans[place] & ~tf.reduce_any(others[:place])
