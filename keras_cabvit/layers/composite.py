"""A layer that takes its parts as arguments."""

import inspect

import keras

from keras_cabvit.layers.flatten_layers import flatten_layers


class Composite(keras.layers.Layer):
    """Base of layers that take other layers as arguments, as `keras.layers.Bidirectional` does.

    The config stores the parts without their shapes, and the composite builds them itself: the
    variables of parts that Keras built beforehand would lack their parents' path. All parts share
    one dtype policy, which is also the composite's.

    A subclass names its part arguments in `part_names`. Each is a layer; those that are also in
    `list_parts` are lists of layers, and those in `optional_parts` may be None.

    Args:
        parts: dict from the names in `part_names` to the parts.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Raises:
        ValueError: a part is not a layer, one layer is given twice, or two parts have different
            policies.
    """

    part_names = ()
    list_parts = ()
    optional_parts = ()

    def __init__(self, parts, dtype=None, **kwargs):
        for name, part in parts.items():
            self._check_part(name, part)
        layers = [layer for part in parts.values() for layer in _as_list(part)]
        if dtype is None and layers:
            dtype = layers[0].dtype_policy
        super().__init__(dtype=dtype, **kwargs)
        policy = self.dtype_policy
        inner = [each for layer in layers for each in flatten_layers(layer)]
        if len({id(layer) for layer in inner}) < len(inner):
            raise ValueError(
                f"Layer '{self.name}' was given the same layer twice: each part must be a separate "
                f"layer. Received: {', '.join(layer.name for layer in layers)}"
            )
        for layer in layers:
            if _types(layer.dtype_policy) != _types(policy):
                raise ValueError(
                    f"All parts of layer '{self.name}' must have one dtype policy. Received: "
                    f"'{policy.name}' and, for part '{layer.name}', '{layer.dtype_policy.name}'"
                )
        for name, part in parts.items():
            setattr(self, name, list(part) if name in self.list_parts else part)

    def _check_part(self, name, part):
        if name in self.list_parts:
            right = "a list of Keras layers"
            is_right = isinstance(part, (list, tuple)) and all(map(_is_layer, part))
        elif name in self.optional_parts:
            right, is_right = "a Keras layer or None", part is None or _is_layer(part)
        else:
            right, is_right = "a Keras layer", _is_layer(part)
        if not is_right:
            raise ValueError(
                f"`{name}` of a {type(self).__name__} must be {right}. Received: {name}={part!r}"
            )

    def check_parts_are_new(self):
        """Raises a ValueError if a part is built, as that of another layer is."""
        for name in self.part_names:
            for part in _as_list(getattr(self, name)):
                if part.built and part.variables:
                    raise ValueError(
                        f"Layer '{self.name}' builds its parts itself, and '{part.name}' is built "
                        "already, such as in another layer: give a new one, "
                        "`type(part).from_config(part.get_config())`, and copy the weights with "
                        "`set_weights`."
                    )

    def with_parts(self, function):
        """Returns an unbuilt layer with the same arguments except for its parts.

        Args:
            function: function from each part of this layer to the new layer's part.
        """
        config = self.get_config()
        del config["dtype"]
        for name in self.part_names:
            config[name] = _mapped(getattr(self, name), function)
        return type(self)(**config)

    def copy_own_weights(self, layer):
        """Copies the weights that a layer of the same class owns itself, not those of its parts."""
        for weight, other in zip(self._own_weights(), layer._own_weights(), strict=True):
            weight.assign(keras.ops.copy(other))

    def _own_weights(self):
        parts = [layer for name in self.part_names for layer in _as_list(getattr(self, name))]
        of_parts = {id(weight) for part in parts for weight in part.weights}
        return [weight for weight in self.weights if id(weight) not in of_parts]

    def get_config(self):
        """Returns the constructor's arguments, the parts serialised."""
        parts = {name: _mapped(getattr(self, name), _serialized) for name in self.part_names}
        return {**super().get_config(), **parts}

    @classmethod
    def from_config(cls, config):
        """Creates the layer from its config."""
        parts = {
            name: _mapped(config[name], keras.saving.deserialize_keras_object)
            for name in cls.part_names
        }
        return cls(**{**config, **parts})


def check_call(name, part, argument, right):
    """Raises a ValueError unless a part can be called with an argument.

    Args:
        name: name of the part.
        part: the layer.
        argument: name of the call argument.
        right: name of a class that takes it, for the message.
    """
    if argument not in inspect.signature(part.call).parameters:
        raise ValueError(
            f"`{name}` must take the call argument `{argument}`, as a {right} does. "
            f"Received: {name}={part!r}"
        )


def _is_layer(part):
    return isinstance(part, keras.layers.Layer)


def _mapped(part, function):
    """Returns a function's results for the layers of a part: a list for a list, None for None."""
    if isinstance(part, list):
        return [function(layer) for layer in part]
    return None if part is None else function(part)


def _as_list(part):
    if _is_layer(part):
        return [part]
    return list(part or [])


def _serialized(layer):
    config = keras.saving.serialize_keras_object(layer)
    config.pop("build_config", None)
    return config


def _types(policy):
    return policy.compute_dtype, policy.variable_dtype
