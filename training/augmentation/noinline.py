"""Parts of the input pipeline's graphs that the graphs call instead of containing them."""

import functools
from collections.abc import Callable

import tensorflow as tf


def noinline(function: Callable) -> Callable:
    """Makes a function of tensors and constants one that graphs call.

    A graph would contain its operations as often as it uses them, and every pipeline would trace
    them again. The function is traced once for all graphs, for tensors of the same shapes and equal
    constants. Outside graphs, where tracing would take longer than one image is worth, it is called
    itself.

    `rarely` of `keras_cabvit.data.decoding.traced_once` is for functions of one signature, and
    traces them outside graphs as well.

    Args:
        function: function of positional arguments.
    """
    graph = tf.function(function, autograph=False, experimental_attributes={"_noinline": True})

    @functools.wraps(function)
    def call(*arguments: object) -> object:
        return function(*arguments) if tf.executing_eagerly() else graph(*arguments)

    return call
