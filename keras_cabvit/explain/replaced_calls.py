"""Replacing the `call` of layers for a while, to see what passes through them.

Keras gives access to the outputs of layers in a model, but not to what a layer computes on the way,
and `keras.Model(inputs, stage(stage.input, return_intermediates=True)["maps"])` would connect the
user's layer a second time, after which Keras refuses `stage.input`. This changes no graph, and
reaches layers of nested and subclassed models.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def replaced(
    layers: Iterable[Any], replacement: Callable[[Any, Callable], Callable], name: str = "call"
) -> Iterator[None]:
    """Replaces a function of layers until the block ends, in this thread only.

    Other threads that use the same layers meanwhile get the original function; those that want to
    replace one wait.

    Args:
        layers: Keras layers.
        replacement: function from a layer and its original function to the new one.
        name: name of the attribute that holds the function. Defaults to "call".
    """
    thread = threading.get_ident()
    with _one_at_a_time, contextlib.ExitStack() as stack:
        for layer in layers:
            original = getattr(layer, name)
            new = _in_thread(thread, replacement(layer, original), original)
            stack.callback(_restore, layer, name, vars(layer).get(name))
            setattr(layer, name, new)
        yield


def _in_thread(thread: int, new: Callable, original: Callable) -> Callable:
    def either(*args: Any, **kwargs: Any) -> Any:
        function = new if threading.get_ident() == thread else original
        return function(*args, **kwargs)

    return either


def _restore(layer: Any, name: str, own: Callable | None) -> None:
    """Gives a layer back its own function, or that of its class."""
    if own is None:
        delattr(layer, name)
    else:
        setattr(layer, name, own)
