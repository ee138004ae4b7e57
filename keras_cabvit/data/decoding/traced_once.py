"""Parts of TensorFlow graphs that are traced once per process, not once per graph."""

import functools


def traced_once(function):
    """Makes a function of a scalar string tensor one that is traced once per process.

    TensorFlow puts its operations into every graph that calls it, so that they run as if the
    function had been called itself. That is what happens outside graphs, where compiling would take
    longer than one image is worth.
    """

    @functools.cache
    def compiled():
        return _graph(function, {})

    @functools.wraps(function)
    def call(encoded):
        import tensorflow as tf

        return function(encoded) if tf.executing_eagerly() else compiled()(encoded)

    return call


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
        return _graph(function, shapes, experimental_attributes={"_noinline": True})

    @functools.wraps(function)
    def call(*tensors):
        return compiled()(*tensors)

    return call


def _graph(function, shapes, **options):
    import tensorflow as tf

    others = [tf.TensorSpec(shape, tf.int32) for shape in shapes.values()]
    signature = [tf.TensorSpec((), tf.string), *others]
    return tf.function(function, signature, autograph=False, **options)
