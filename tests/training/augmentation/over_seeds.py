"""Results of random functions for many seeds."""

import tensorflow as tf


def over_seeds(function, count):
    """Returns the results of `function(seed)` for `count` seeds, stacked, as numpy arrays."""

    # As in training, where AutoGraph would rewrite all that is called, for seconds.
    @tf.autograph.experimental.do_not_convert
    def result(number):
        return function(tf.stack([3, number]))

    results = tf.data.Dataset.range(count).map(result, num_parallel_calls=2)
    return next(results.batch(count).as_numpy_iterator())
