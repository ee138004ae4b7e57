"""Parts of a TensorFlow graph that few images need."""

import functools


def rarely(function=None, **shapes):
    """Makes a function of tensors one that a graph calls instead of containing its operations.

    TensorFlow visits every operation of a graph for every image, those of branches not taken
    included, so that seldom needed formats would slow down all others. The function is also traced
    once per process, not once per graph.

    Args:
        function: function of a scalar string tensor and of further int32 tensors.
        **shapes: shape of each further tensor.
    """
    if function is None:
        return functools.partial(rarely, **shapes)

    @functools.cache
    def compiled():
        import tensorflow as tf

        others = [tf.TensorSpec(shape, tf.int32) for shape in shapes.values()]
        return tf.function(
            function,
            input_signature=[tf.TensorSpec((), tf.string), *others],
            autograph=False,
            experimental_attributes={"_noinline": True},
        )

    @functools.wraps(function)
    def call(*tensors):
        return compiled()(*tensors)

    return call
