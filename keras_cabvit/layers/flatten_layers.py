"""A layer and the layers inside it, as one list."""


def flatten_layers(layer, *, include_self=True, recursive=True):
    """Returns a layer and all layers inside it, each before what is inside it.

    Args:
        layer: a Keras layer or model.
        include_self: whether `layer` is in the list.
        recursive: whether to go on into the layers inside it.
    """
    return layer._flatten_layers(include_self, recursive)  # Keras has no public name for it
