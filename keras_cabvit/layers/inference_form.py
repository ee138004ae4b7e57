"""Layers of models for inference, told from the trainable ones."""

# Their modules: the standard forms, and those that only one format of exports needs.
_MODULES = ("keras_cabvit.inference.", "keras_cabvit.export.")


def is_inference_form(layer):
    """Returns whether a layer is the inference form of one of this library's layers.

    A model of such layers has other weights than the trainable one, for one image size only.

    Args:
        layer: any Keras layer.
    """
    return type(layer).__module__.startswith(_MODULES)
