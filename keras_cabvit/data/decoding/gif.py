"""Decoding the first frame of a GIF file in a TensorFlow graph.

TensorFlow decodes all frames of an animation even when one is requested, makes transparent pixels
black, and refuses files without a palette. It is therefore given a file of only the first frame,
with a palette in which every index is its own grey level.
"""

from keras_cabvit.data.decoding.octets import octets, part
from keras_cabvit.data.decoding.palette import full_palette
from keras_cabvit.data.decoding.traced_once import rarely


@rarely
def gif_size(encoded):
    """Returns the size of the first frame of a GIF file, without decoding anything.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        An int64 tensor (height, width) of the smallest image that holds both the screen and the
        frame, which may be larger; zeros if the frame is not all there.
    """
    import tensorflow as tf

    frame, after, _ = _first_frame(encoded)
    canvas = _canvas(_numbers(encoded, 0, 13), _numbers(encoded, frame, 10))
    return tf.where(after > 0, tf.cast(tf.stack(canvas), tf.int64), 0)


@rarely
def decode_gif(encoded):
    """Decodes the first frame of a GIF file, as Pillow does.

    Transparent pixels get the colour that the palette has for them. Beside a frame that is smaller
    than the screen is the transparent colour, or without one the first colour of the palette.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        A uint8 tensor (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the frame is damaged or cut short.
    """
    import tensorflow as tf

    frame, after, transparent = _first_frame(encoded)
    whole = tf.debugging.Assert(after > 0, ["The GIF file has no whole frame."])
    with tf.control_dependencies([whole]):
        screen, descriptor = _numbers(encoded, 0, 13), _numbers(encoded, frame, 10)
    left, top, width, height = _pairs(descriptor[1:9])
    data = frame + 10 + _table_length(descriptor[9])
    size = part(encoded, frame + 5, 4)
    alone = tf.strings.join(
        [
            *(b"GIF89a", size, b"\xf7\0\0"),
            bytes(level for level in range(256) for _ in range(3)),
            *(b",\0\0\0\0", size),
            tf.where(descriptor[9] & 0x40 > 0, b"\x40", b"\0"),  # interlaced
            *(part(encoded, data, after - data), b";"),
        ]
    )
    indices = tf.io.decode_image(alone, channels=3, expand_animations=False)[..., 0]
    indices = tf.cast(indices, tf.int32) - transparent
    rows, columns = _canvas(screen, descriptor)
    padding = [[top, rows - top - height], [left, columns - left - width]]
    own = descriptor[9] & 0x80 > 0
    colours = part(
        encoded,
        tf.where(own, frame + 10, 13),
        _table_length(tf.where(own, descriptor[9], screen[10])),
    )
    palette = full_palette(tf.reshape(tf.io.decode_raw(colours, tf.uint8), (-1, 3)))
    return tf.gather(palette, tf.pad(indices, padding) + transparent)


def _numbers(encoded, start, count):
    """Returns a list of the octets from `start`, int32 scalars."""
    import tensorflow as tf

    return tf.unstack(tf.cast(octets(encoded, start, count), tf.int32))


def _pairs(values):
    """Returns the numbers that octets spell in pairs."""
    return [low + 256 * high for low, high in zip(values[::2], values[1::2], strict=True)]


def _table_length(flags):
    import tensorflow as tf

    return tf.where(flags & 0x80 > 0, 3 * 2 ** (1 + (flags & 7)), 0)


def _canvas(screen, descriptor):
    """Returns height and width."""
    import tensorflow as tf

    left, top, width, height = _pairs(descriptor[1:9])
    columns, rows = _pairs(screen[6:10])
    return tf.maximum(rows, top + height), tf.maximum(columns, left + width)


def _first_frame(encoded):
    """Finds the first frame (GIF89a specification, section 15 and appendix A).

    Returns:
        Three int32 scalars: the place of its descriptor, the place after its data, 0 if that is not
        in the file, and the transparent index, 0 if there is none.
    """
    import tensorflow as tf

    end = tf.strings.length(encoded)
    content = tf.io.decode_raw(tf.strings.join([encoded, b"\0" * 32]), tf.uint8)

    # Step from block to block, and within a block from part to part; each part begins with its
    # length.
    def is_unfinished(place, frame, transparent, inside, ended):
        return ~ended & (place < end)

    def step(place, frame, transparent, inside, ended):
        window = tf.cast(tf.gather(content, place + tf.range(10)), tf.int32)
        value, label, size, flags, _, _, index, _, _, packed = tf.unstack(window)
        extension, descriptor = ~inside & (value == 0x21), ~inside & (value == 0x2C)
        control = extension & (label == 0xF9) & (size >= 4) & (flags & 1 > 0)
        past_descriptor = 10 + _table_length(packed) + 1
        # Anything else between blocks is passed over.
        block = tf.where(extension, 2, tf.where(descriptor, past_descriptor, 1))
        return (
            place + tf.where(inside, 1 + value, block),
            tf.where(descriptor, place, frame),
            tf.where(control, index, transparent),
            tf.where(inside, value > 0, extension | descriptor),
            tf.where(inside, (value == 0) & (frame > 0), value == 0x3B),
        )

    place, frame, transparent, _, ended = tf.while_loop(
        is_unfinished,
        step,
        (
            *(13 + _table_length(_numbers(encoded, 10, 1)[0]), tf.constant(0), tf.constant(0)),
            *(tf.constant(False), tf.constant(False)),
        ),
        parallel_iterations=1,
        # Parts have 255 octets in files that are not malicious.
        maximum_iterations=1024 + end // 64,
    )
    whole = ended & (frame > 0)
    return frame, tf.where(whole, place, 0), transparent
