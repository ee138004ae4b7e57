"""Label smoothing."""

import tensorflow as tf


def smooth_labels(labels: tf.Tensor, classes: int, smoothing: float) -> tf.Tensor:
    """Spreads a share of each target evenly over all classes.

    Args:
        labels: integer tensor (b,), each in 0..classes-1.
        classes: integer, the number of classes.
        smoothing: float in 0..1, the share.

    Returns:
        A float32 tensor (b, classes); each row adds up to 1.
    """
    off = smoothing / classes
    return tf.one_hot(labels, classes, on_value=1 - smoothing + off, off_value=off)
