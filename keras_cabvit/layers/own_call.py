"""Functional models whose class computes more than their layers do."""

import keras


def has_own_call(model):
    """Returns whether a functional or sequential model's class has a `call` that is not Keras'.

    Such a model need not compute what the graph from its inputs to its outputs does.
    """
    is_graph = isinstance(model, keras.Sequential) or hasattr(model, "operations")
    return is_graph and not type(model).call.__module__.startswith("keras.")


def check_no_own_call(model):
    """Raises a ValueError if a model's class has a `call` of its own, which a copy would lack."""
    if has_own_call(model):
        raise ValueError(
            f"`model` must compute what its layers do. '{model.name}' is a "
            f"{type(model).__name__}, whose `call` may do more: put that into a layer, and make "
            "a `keras.Model` of inputs and outputs."
        )
