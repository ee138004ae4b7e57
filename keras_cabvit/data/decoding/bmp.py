"""Decoding BMP files in a TensorFlow graph.

TensorFlow's own decoder reads only 24 and 32 bits, and takes the octets for blue, green and red
whatever the file says.
"""

from typing import Any, NamedTuple

import numpy as np

from keras_cabvit.data.decoding.octets import octets, part
from keras_cabvit.data.decoding.palette import full_palette
from keras_cabvit.data.decoding.traced_once import rarely

_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
_BITFIELDS = 3
_RED_GREEN_BLUE_565, _RED_GREEN_BLUE_555 = (0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)


class BmpHeader(NamedTuple):
    """Header of a BMP file: int64 scalar tensors, but for `masks` and `top_down`.

    Attributes:
        size: octets of the header itself, which tell its version.
        height: in pixels; 0 if the header is of an unknown size.
        width: in pixels; 0 if the header is of an unknown size.
        bits: bits per pixel.
        compression: number of the method, 0 without any.
        masks: (3,), the bits of red, green and blue in a pixel, if the compression is 3.
        palette: place of the palette in the file.
        entry: octets per colour of the palette.
        colours: number of colours in the palette.
        pixels: place of the first row in the file.
        row: octets per row.
        top_down: boolean scalar, whether the first row is the top one.
    """

    size: Any
    height: Any
    width: Any
    bits: Any
    compression: Any
    masks: Any
    palette: Any
    entry: Any
    colours: Any
    pixels: Any
    row: Any
    top_down: Any


def bmp_header(encoded):
    """Reads the header of a BMP file of OS/2 or Windows.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        A `BmpHeader`.
    """
    import tensorflow as tf

    start = octets(encoded, 0, 70)
    pairs = start[:-1] + 256 * start[1:]
    numbers = {2: tf.unstack(pairs), 4: tf.unstack(pairs[:-2] + 2**16 * pairs[2:])}

    def number(place, length):
        return numbers[length][place]

    size = number(14, 4)
    old = size == 12
    known = tf.cast(tf.reduce_any(size == tf.constant(_HEADER_SIZES, tf.int64)), tf.int64)
    height = tf.where(old, number(20, 2), number(22, 4))
    top_down = ~old & (start[25] == 0xFF)  # a negative number
    height = known * tf.where(top_down, 2**32 - height, height)
    width = known * tf.where(old, number(18, 2), number(18, 4))
    bits = tf.where(old, number(24, 2), number(28, 2))
    compression = tf.where(~old, number(30, 4), 0)
    entry = tf.where(old, tf.constant(3, tf.int64), 4)
    colours = tf.where(~old, number(46, 4), 0)
    colours = tf.where(colours > 0, colours, tf.bitwise.left_shift(tf.ones_like(bits), bits % 32))
    palette = 14 + size
    no_palette = palette + 12 * tf.cast((compression == _BITFIELDS) & (size == 40), tf.int64)
    after = tf.where(bits <= 8, palette + entry * colours, no_palette)
    pixels = number(10, 4)
    pixels = tf.where((pixels == 0) | (pixels == palette) & (bits <= 8), after, pixels)
    row = (width * bits + 31) // 32 * 4
    masks = tf.stack([number(54, 4), number(58, 4), number(62, 4)])
    return BmpHeader(
        size=size,
        height=height,
        width=width,
        bits=bits,
        compression=compression,
        masks=masks,
        palette=palette,
        entry=entry,
        colours=colours,
        pixels=pixels,
        row=row,
        top_down=top_down,
    )


def bmp_refusal(header):
    """Returns a sentence about a kind of BMP that is not decoded, or an empty string."""
    import tensorflow as tf

    def is_one(value, *known):
        return tf.reduce_any(value == tf.constant(known, tf.int64))

    def layout(*masks):
        return tf.reduce_all(header.masks == tf.constant(masks, tf.int64))

    bits, compression = header.bits, header.compression
    whole_octets = tf.reduce_all(_shifts(header.masks) < 4) | layout(0, 0, 0)
    masked = tf.case(
        [
            (bits == 32, lambda: whole_octets),
            (bits == 24, lambda: layout(0xFF0000, 0xFF00, 0xFF)),
            (
                bits == 16,
                lambda: layout(*_RED_GREEN_BLUE_565) | layout(*_RED_GREEN_BLUE_555),
            ),
        ],
        default=lambda: tf.constant(False),
    )
    refusals = [
        (~is_one(header.size, *_HEADER_SIZES), "BMP files with a header of this size"),
        (~is_one(bits, 1, 4, 8, 16, 24, 32), "BMP files of other than 1, 4, 8, 16, 24 or 32 bits"),
        (is_one(compression, 1, 2), "Run-length encoded BMP files"),
        (is_one(compression, 4, 5), "BMP files that hold a JPEG or PNG file"),
        (compression > 5, "BMP files of this compression"),
        ((compression == _BITFIELDS) & ~masked, "BMP files with these colour masks"),
    ]
    sentence = tf.constant("")
    for condition, kind in reversed(refusals):
        sentence = tf.where(condition, f"{kind} are not read.", sentence)
    return sentence


@rarely
def decode_bmp(encoded):
    """Decodes a BMP file that is not compressed, as Pillow does.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        A uint8 tensor (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the file is cut short or of a kind
            that is not read.
    """
    import tensorflow as tf

    header = bmp_header(encoded)
    refusal = bmp_refusal(header)
    height, width, row = header.height, header.width, header.row
    # The padding of the last row may be missing.
    end = header.pixels + row * (height - 1) + (width * header.bits + 7) // 8
    whole = (height > 0) & (width > 0) & (end <= tf.cast(tf.strings.length(encoded), tf.int64))
    whole &= (height < 2**31) & (width < 2**31)
    with tf.control_dependencies(
        [
            tf.debugging.Assert(refusal == b"", [refusal]),
            tf.debugging.Assert(whole, ["The BMP file is cut short, or states no size."]),
        ]
    ):
        rows = tf.strings.join([part(encoded, header.pixels, row * height), b"\0" * 3])
    rows = tf.io.decode_raw(rows, tf.uint8)[: row * height]
    rows = tf.reshape(rows, tf.stack([height, row]))

    def with_palette(bits):
        shifts = np.arange(8 - bits, -1, -bits, np.uint8)
        parts = tf.bitwise.right_shift(rows[:, :, None], shifts) & np.uint8(2**bits - 1)
        indices = tf.reshape(parts, tf.stack([height, -1]))[:, :width]
        return tf.gather(_palette(encoded, header), tf.cast(indices, tf.int32))

    def of_octets(places, count):
        pixels = tf.reshape(rows[:, : count * width], tf.stack([height, width, count]))
        return tf.gather(pixels, places, axis=-1)

    def of_four_octets():
        stated = (header.compression == _BITFIELDS) & tf.reduce_any(header.masks > 0)
        return of_octets(tf.where(stated, _shifts(header.masks), (2, 1, 0)), 4)

    def of_16_bits():
        pairs = tf.cast(rows[:, : 2 * width], tf.int32)
        values = pairs[:, ::2] + 256 * pairs[:, 1::2]
        wide = (header.compression == _BITFIELDS) & (header.masks[0] == _RED_GREEN_BLUE_565[0])
        red, green = (tf.where(wide, a, b) for a, b in ((11, 10), (63, 31)))
        channels = (
            tf.bitwise.right_shift(values, red) % 32 * 255 // 31,
            tf.bitwise.right_shift(values, 5) % (green + 1) * 255 // green,
            values % 32 * 255 // 31,
        )
        return tf.cast(tf.stack(channels, axis=-1), tf.uint8)

    pixels = tf.case(
        [
            (header.bits == 1, lambda: with_palette(1)),
            (header.bits == 4, lambda: with_palette(4)),
            (header.bits == 8, lambda: with_palette(8)),
            (header.bits == 16, of_16_bits),
            (header.bits == 24, lambda: of_octets((2, 1, 0), 3)),
        ],
        default=of_four_octets,
    )
    return tf.cond(header.top_down, lambda: pixels, lambda: pixels[::-1])


def _shifts(masks):
    """Returns for masks of whole octets the number of the octet, for others 4."""
    import tensorflow as tf

    known = masks[:, None] == tf.constant([0xFF << 8 * place for place in range(4)], tf.int64)
    return tf.where(tf.reduce_any(known, axis=-1), tf.argmax(known, axis=-1), 4)


def _palette(encoded, header):
    """Returns uint8 (256, 3)."""
    import tensorflow as tf

    count = tf.minimum(header.colours, 256)
    stored = tf.io.decode_raw(part(encoded, header.palette, count * header.entry), tf.uint8)
    count = tf.size(stored, tf.int64) // header.entry
    stored = tf.reshape(stored[: count * header.entry], tf.stack([count, header.entry]))
    return full_palette(stored[:, 2::-1])
