"""Results of random functions for many seeds."""

import tensorflow as tf


def over_seeds(function, count):
    """Returns the results of `function(seed)` for `count` seeds, stacked, as numpy arrays."""
    results = tf.data.Dataset.range(count).map(
        lambda number: function(tf.stack([3, number])), num_parallel_calls=2
    )
    return next(results.batch(count).as_numpy_iterator())
