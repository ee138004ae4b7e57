"""Parts of a TensorFlow graph that few images need."""

import functools


def rarely(function):
    """Makes a function of a tensor one that a graph calls instead of containing its operations.

    TensorFlow visits every operation of a graph for every image, those of branches not taken
    included, so that seldom needed formats would slow down all others. The function is also traced
    once per process, not once per graph.
    """

    @functools.cache
    def compiled():
        import tensorflow as tf

        return tf.function(
            function,
            input_signature=[tf.TensorSpec((), tf.string)],
            autograph=False,
            experimental_attributes={"_noinline": True},
        )

    @functools.wraps(function)
    def call(encoded):
        return compiled()(encoded)

    return call
