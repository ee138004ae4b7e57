"""Numbers and parts of a file's content, read in a TensorFlow graph."""


def part(encoded, start, length):
    """Returns `length` octets from `start` as a string, fewer where the file ends.

    Args:
        encoded: scalar string tensor.
        start: integer, or int32 or int64 scalar; at least 0.
        length: the same.
    """
    import tensorflow as tf

    end = tf.strings.length(encoded)
    if getattr(start, "dtype", None) == tf.int64 or getattr(length, "dtype", None) == tf.int64:
        end = tf.cast(end, tf.int64)
        start, length = tf.cast(start, tf.int64), tf.cast(length, tf.int64)
    start = tf.minimum(start, end)
    return tf.strings.substr(encoded, start, tf.minimum(length, end - start))


def octets(encoded, start, length):
    """Returns `length` octets from `start`, int64 (length,), zeros where the file has ended.

    Args:
        encoded: scalar string tensor.
        start: integer, or int32 scalar.
        length: integer.
    """
    import tensorflow as tf

    padded = tf.strings.join([part(encoded, start, length), b"\0" * length])
    return tf.ensure_shape(
        tf.cast(tf.io.decode_raw(padded, tf.uint8)[:length], tf.int64), (length,)
    )


def big_endian(digits):
    """Returns the number that the octets along the last axis spell, the highest first."""
    import tensorflow as tf

    weights = [256**power for power in reversed(range(digits.shape[-1]))]
    return tf.reduce_sum(digits * tf.constant(weights, digits.dtype), axis=-1)


def little_endian(digits):
    """Returns the number that the octets along the last axis spell, the lowest first."""
    return big_endian(digits[..., ::-1])
