"""Copies of models for which it does not matter how they were compiled."""

import contextlib

import keras

from keras_cabvit.layers.flatten_layers import flatten_layers


def models_in(model):
    """Returns a model and those inside it."""
    return [each for each in flatten_layers(model) if isinstance(each, keras.Model)]


@contextlib.contextmanager
def not_compiled(model):
    """Lets a model appear as not compiled, with those inside it, until the block ends.

    Keras compiles copies and stored models as the original, for which it looks up losses, metrics
    and schedules by name: those of the user's own need not be found.
    """
    compiled = [each for each in models_in(model) if each.compiled]
    for each in compiled:
        each.compiled = False
    try:
        yield
    finally:
        for each in compiled:
            each.compiled = True
