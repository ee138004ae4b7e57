"""Finding the first frame of a GIF file in a TensorFlow graph, without decoding anything."""


def first_gif_frame(encoded):
    """Cuts a GIF file off after its first frame.

    TensorFlow decodes all frames of an animation even when one is requested, and a frame can be
    larger than the screen size in the file's header.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        A string, the file with only its first frame, empty if that is incomplete; and an int64
        tensor (height, width), the larger of screen and frame, zeros if it is incomplete.
    """
    import tensorflow as tf

    octets = tf.io.decode_raw(tf.strings.join([encoded, b"\0" * 32]), tf.uint8)
    end = tf.strings.length(encoded)

    def octet(place):
        return tf.cast(octets[tf.minimum(place, end + 31)], tf.int32)

    def number(place):
        return octet(place) + 256 * octet(place + 1)

    def colour_table(flags):
        return tf.where(flags & 0x80 > 0, 3 * 2 ** (1 + (flags & 7)), 0)

    # Step from block to block, and within a block from part to part; each part begins with its
    # length (GIF89a specification, section 15 and appendix A).
    def is_unfinished(place, frame, inside, ended):
        return ~ended & (place < end)

    def step(place, frame, inside, ended):
        value = octet(place)
        extension, descriptor = ~inside & (value == 0x21), ~inside & (value == 0x2C)
        past_descriptor = 10 + colour_table(octet(place + 9)) + 1
        block = tf.where(extension, 2, tf.where(descriptor, past_descriptor, 0))
        return (
            place + tf.where(inside, 1 + value, block),
            tf.where(descriptor, place, frame),
            tf.where(inside, value > 0, extension | descriptor),
            tf.where(inside, (value == 0) & (frame > 0), ~(extension | descriptor)),
        )

    place, frame, _, ended = tf.while_loop(
        is_unfinished,
        step,
        (13 + colour_table(octet(10)), tf.constant(0), tf.constant(False), tf.constant(False)),
        parallel_iterations=1,
        # Parts have 255 octets in files that are not malicious.
        maximum_iterations=1024 + end // 64,
    )
    whole = ended & (frame > 0) & (place <= end)
    sizes = [tf.maximum(number(screen), number(frame + own)) for screen, own in ((8, 7), (6, 5))]
    alone = tf.strings.join([tf.strings.substr(encoded, 0, tf.minimum(place, end)), ";"])
    return (
        tf.where(whole, alone, ""),
        tf.where(whole, tf.cast(tf.stack(sizes), tf.int64), tf.zeros((2,), tf.int64)),
    )
