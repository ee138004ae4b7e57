"""The orientation of an image from its EXIF or XMP metadata, in a TensorFlow graph."""

from keras_cabvit.data.decoding.octets import big_endian, little_endian

# Octets of one value by the number of its type (TIFF 6.0, section 2; 13 and 16 came later).
_UNITS = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 0)
_SIGNED, _RATIONAL, _FLOAT, _DOUBLE = (6, 8, 9), (5, 10), 11, 12
_NO_NUMBER = (1, 2, 7)
_ORIENTATION = 0x0112


def orientation_from(exif, xmp):
    """Returns the orientation that Pillow's `ImageOps.exif_transpose` would find.

    The first Orientation of the first EXIF directory counts, whatever its numeric type. Without
    one, that of XMP counts, unless the EXIF has no TIFF header.

    Args:
        exif: scalar string tensor, a TIFF header and directory, with or without "Exif" and two
            zeros before it; empty for none.
        xmp: scalar string tensor, an XMP packet; empty for none.

    Returns:
        An int32 scalar from 1 to 8; 1, upright, unless the metadata say otherwise.
    """
    import tensorflow as tf

    for _ in range(2):
        prefix = tf.strings.substr(tf.strings.join([exif, b"\0" * 6]), 0, 6)
        skipped = tf.where(prefix == b"Exif\0\0", tf.minimum(6, tf.strings.length(exif)), 0)
        exif = tf.strings.substr(exif, skipped, tf.strings.length(exif) - skipped)
    upright = tf.constant(1), tf.constant(False)
    value, settled = tf.cond(exif == b"", lambda: upright, lambda: _of_directory(exif))
    value = tf.cond(settled | (xmp == b""), lambda: value, lambda: _of_xmp(xmp))
    return tf.where((value >= 1) & (value <= 8), value, 1)


def _of_xmp(xmp):
    import tensorflow as tf

    # \C is any octet, even of a damaged character.
    pattern = r'\C*?tiff:Orientation(?:="|>)([0-9])\C*'
    found = tf.strings.regex_full_match(xmp, pattern)
    digit = tf.where(found, tf.strings.regex_replace(xmp, pattern, r"\1"), "1")
    return tf.strings.to_number(digit, tf.int32)


def _of_directory(tiff):
    """Returns the Orientation, and whether it is settled, so that XMP is not asked."""
    import tensorflow as tf

    content = tf.cast(tf.io.decode_raw(tf.strings.join([tiff, b"\0" * 32]), tf.uint8), tf.int64)
    length = tf.strings.length(tiff)
    mark = tf.strings.substr(tf.strings.join([tiff, b"\0" * 4]), 0, 4)
    little = (mark == b"II*\0") | (mark == b"II\0*")
    header = (little | (mark == b"MM\0*") | (mark == b"MM*\0")) & (length >= 8)

    def number(digits):
        return tf.where(little, little_endian(digits), big_endian(digits))

    def field(place, octets):
        return tf.reshape(content[place : place + octets], (octets,))

    length = tf.cast(length, tf.int64)
    start = tf.minimum(number(field(4, 4)) + 2, length)
    count = tf.minimum(number(field(tf.maximum(start - 2, 0), 2)), (length - start) // 12)
    # One more than there are, so that the array is never empty.
    entries = tf.reshape(content[start : start + 12 * (count + 1)], (-1, 12))
    kind, amount, offset = (number(entries[:, a:b]) for a, b in ((2, 4), (4, 8), (8, 12)))
    unit = tf.gather(tf.constant(_UNITS, tf.int64), tf.minimum(kind, len(_UNITS) - 1))
    size = unit * amount
    # Values of more than four octets are elsewhere. Pillow passes over those that cannot all be in
    # the metadata, and stops at one that is cut short.
    outside = size > 4
    fits = ~outside | (tf.cumsum(tf.where(outside, size, 0)) <= length)
    cut_short = outside & fits & (offset + size > length)
    read = (tf.cumsum(tf.cast(cut_short, tf.int32)) == 0) & fits & (size > 0)
    read &= tf.range(tf.size(kind, tf.int64)) < count
    mine = read & (number(entries[:, :2]) == _ORIENTATION) & header
    row = tf.argmax(mine)
    place = tf.where(outside[row], offset[row], start + 12 * row + 8)
    value = _value(field(tf.minimum(place, length), 8), kind[row], unit[row], little)
    found = tf.reduce_any(mine)
    return tf.where(found, value, 1), found | ~header


def _value(digits, kind, unit, little):
    """Returns the number that the first few of eight octets spell; 1 if they spell none."""
    import tensorflow as tf

    def is_a(*kinds):
        return tf.reduce_any(kind == tf.constant(kinds, tf.int64))

    def ordered(length):
        """Returns octets of which the lowest comes first."""
        first = digits[:length]
        return tf.where(little, first, first[::-1])

    def signed(value, octets, condition):
        half = tf.bitwise.left_shift(tf.constant(1, tf.int64), 8 * octets - 1)
        return tf.where(condition & (value >= half), value - 2 * half, value)

    # Octets beyond the unit are left out; the highest of eight, so that nothing overflows.
    kept = tf.where(little, digits, tf.roll(digits[::-1], tf.cast(unit, tf.int32), 0))
    kept = tf.where(tf.range(8, dtype=tf.int64) < tf.minimum(unit, 8), kept, 0)
    whole = signed(little_endian(kept[:7]), tf.minimum(unit, 4), is_a(*_SIGNED))
    whole = tf.where(kept[7] == 0, whole, 1)

    above, below = (
        signed(
            little_endian(tf.where(little, part, part[::-1])), tf.constant(4, tf.int64), is_a(10)
        )
        for part in (digits[:4], digits[4:])
    )
    divisor = tf.where(below != 0, below, 1)
    divides = (below != 0) & (above % divisor == 0)
    ratio = tf.where(divides, above // divisor, 1)

    single = tf.cast(tf.bitcast(tf.cast(ordered(4), tf.uint8), tf.float32), tf.float64)
    double = tf.bitcast(tf.cast(ordered(8), tf.uint8), tf.float64)
    real = tf.where(is_a(_FLOAT), single, double)
    exact = (real >= 1) & (real <= 8) & (tf.floor(real) == real)
    real = tf.cast(tf.where(exact, real, 1.0), tf.int64)

    value = tf.where(is_a(*_RATIONAL), ratio, tf.where(is_a(_FLOAT, _DOUBLE), real, whole))
    value = tf.where(is_a(*_NO_NUMBER), tf.ones_like(value), value)
    return tf.cast(tf.clip_by_value(value, 0, 9), tf.int32)
