"""Activation that a Keras classifier ends in, from the operation that produces its output."""

from collections.abc import Mapping, Sized
from typing import Any

import keras

from keras_cabvit.layers.own_call import has_own_call

# Probabilities; logits, or log-probabilities, whose softmax is the same; one unit with the
# probability of the second of two classes.
ACTIVATIONS = ("softmax", "linear", "sigmoid")
_FEATURES, _UNKNOWN = "features", "an unknown activation"

# Reshaping, averaging and regularising leave probabilities probabilities, and logits logits.
_TRANSPARENT = {
    *("Identity", "Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "Cast"),
    *("Reshape", "Flatten", "Squeeze", "GetItem", "Average", "Mean"),
    *("AveragePooling1D", "AveragePooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
}
# Shifting and scaling leave logits logits, and nothing else what it was.
_AFFINE = {"Add", "Multiply", "Subtract", "Divide", "TrueDivide", "Rescaling"}
_NORMALIZATIONS = {
    *("BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization"),
    "UnitNormalization",
}
_OPERATIONS = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}


class NotAClassifier(ValueError):
    """A readable file holds another kind of model."""


def classifier_activation(model: keras.Model, name: str, stated: str | None = None) -> str | None:
    """Returns the activation that a Keras model ends in.

    Args:
        model: Keras model.
        name: name of the model in error messages.
        stated: "softmax", "linear" or "sigmoid", the caller's word on a model whose activation
            cannot be determined; or None.

    Returns:
        "softmax" for probabilities; "linear" for logits or log-probabilities; "sigmoid" for one
        unit, the probability of the second of two classes; None if it cannot be determined, as for
        a layer of the caller's own.

    Raises:
        NotAClassifier: the model does not have exactly one image input and one classifier whose
            classes exclude each other.
        ValueError: `stated` is none of these, or not what the model ends in.
    """
    if stated is not None and stated not in ACTIVATIONS:
        raise ValueError(
            f"`classifier_activation` must be one of {', '.join(ACTIVATIONS)}. "
            f"Received: classifier_activation={stated!r}"
        )
    _check_shape(model, name)
    (output,) = model.outputs
    found = _UNKNOWN if has_own_call(model) else _ending(output, {})
    if found == _FEATURES or (found == _UNKNOWN and _last_weights_are_features(model)):
        raise NotAClassifier(
            f"{name} has no classifier: it ends in the layer '{producer(output)[0].name}', which "
            f"gives features of shape {model.output_shape}. Build it with `include_top=True`."
        )
    if stated is not None:
        if found in ACTIVATIONS and found != stated:
            raise ValueError(
                f'`classifier_activation` must be "{found}", which {name} ends in. '
                f"Received: classifier_activation={stated!r}"
            )
        found = stated
    if found == "log_softmax":
        found = "linear"
    _check_units(found, model.output_shape[-1], name)
    return None if found == _UNKNOWN else found


def check_one_of_each(name: str, inputs: Sized, outputs: Sized) -> None:
    """Raises NotAClassifier unless there is one input and one output.

    Args:
        name: name of the model in the message.
        inputs: its inputs.
        outputs: its outputs.
    """
    if len(inputs) != 1 or len(outputs) != 1:
        raise NotAClassifier(
            f"{name} must have one input and one output. It has {len(inputs)} inputs and "
            f"{len(outputs)} outputs."
        )


def _check_shape(model: keras.Model, name: str) -> None:
    try:
        inputs, outputs = model.inputs, model.outputs
    except (AttributeError, ValueError):  # a subclassed model; a sequential one that is not built
        raise NotAClassifier(
            f"{name} must be a functional model, or a sequential one with an input shape. It is a "
            f"{type(model).__name__}. Make it one with `image = keras.Input((height, width, 3))` "
            "and `keras.Model(image, model(image))`."
        ) from None
    check_one_of_each(name, inputs, outputs)
    output = getattr(model, "output", None)  # a sequential model may have none
    if isinstance(output, dict):
        raise NotAClassifier(
            f"{name} gives its scores in a dict. Give the output itself: "
            f"`keras.Model(model.input, model.output[{next(iter(output))!r}])`."
        )
    if len(model.output_shape) != 2:
        raise NotAClassifier(
            f"{name} has no classifier: it ends in the layer '{producer(outputs[0])[0].name}', "
            f"which gives features of shape {model.output_shape}. Build it with `include_top=True`."
        )


def _check_units(activation: str, units: int, name: str) -> None:
    if activation not in (*ACTIVATIONS, _UNKNOWN):
        raise NotAClassifier(
            f"{name} must give one probability per class, with a softmax, or logits. Its "
            f"classifier ends in {activation}."
        )
    if activation == "sigmoid" and units > 1:
        raise NotAClassifier(
            f"{name} must give one probability per class, with a softmax, or logits. It ends in "
            f"sigmoid with {units} units: these are {units} labels of which an image may have "
            "several, not classes."
        )
    if units == 1 and activation != "sigmoid":
        raise NotAClassifier(
            f"{name} must have one unit per class, or one unit with a sigmoid for two classes. It "
            f"ends in one unit with {activation}. If that is the logit of the second class, add "
            '`keras.layers.Activation("sigmoid")`.'
        )


def producer(tensor: Any) -> tuple[Any, list[Any]]:
    """Returns the operation that produced a symbolic tensor, and the tensors that it was given.

    Args:
        tensor: `KerasTensor` in a functional model.
    """
    operation, node, _ = tensor._keras_history  # Keras has no public name for it
    return operation, operation._inbound_nodes[node].input_tensors


def _ending(tensor: Any, outside: Mapping[int, tuple[Any, Mapping]]) -> str:
    """Returns the activation that produced a symbolic tensor, or `_FEATURES`, or `_UNKNOWN`.

    Args:
        tensor: `KerasTensor` in a functional model.
        outside: dict from the identity of a nested model's input to the tensor that the outer
            model gives it, with the `outside` of that model.
    """
    operation, given = producer(tensor)
    if isinstance(operation, keras.layers.InputLayer):
        return _ending(*outside[id(tensor)]) if id(tensor) in outside else _FEATURES
    if not _is_of_keras(operation):
        return _UNKNOWN
    if isinstance(operation, keras.Model):
        if len(operation.inputs) != len(given):  # of inputs that may be left out
            return _UNKNOWN
        inputs = {
            id(inner): (outer, outside)
            for inner, outer in zip(operation.inputs, given, strict=True)
        }
        return _ending(operation.outputs[tensor._keras_history.tensor_index], inputs)
    own = _own_activation(operation)
    if own not in (None, "linear") or (own and hasattr(operation, "kernel")):
        return own
    kind = type(operation).__name__
    if kind in _NORMALIZATIONS:
        return _FEATURES
    endings = {_ending(each, outside) for each in given}
    if len(endings) != 1:
        return _UNKNOWN
    (ending,) = endings
    if kind in _TRANSPARENT or own == "linear":
        return ending
    # A constant minus the scores, or divided by them, reverses their order.
    first = operation._inbound_nodes[tensor._keras_history.node_index].arguments.args[:1]
    reverses = kind in ("Subtract", "Divide", "TrueDivide") and first != (given[0],)
    if kind in _AFFINE and not reverses:
        return {"linear": "linear", "log_softmax": "linear", _FEATURES: _FEATURES}.get(
            ending, _UNKNOWN
        )
    return _UNKNOWN


def _is_of_keras(operation: Any) -> bool:
    """Returns whether Keras itself defines the computation, not a user's layer."""
    return type(operation).call.__module__.startswith("keras.")


def _own_activation(operation: Any) -> str | None:
    """Returns the activation that an operation of Keras applies; None if it applies none."""
    kind = type(operation).__name__
    if kind == "Softmax" and getattr(operation, "axis", -1) not in (-1, 1):
        return _UNKNOWN
    if kind in _OPERATIONS:
        return _OPERATIONS[kind]
    activation = getattr(operation, "activation", None)
    if isinstance(activation, keras.Operation):
        return (_own_activation(activation) or _UNKNOWN) if _is_of_keras(activation) else _UNKNOWN
    if activation is None:
        return kind.lower() if hasattr(keras.activations, kind.lower()) else None
    if getattr(activation, "__module__", "").startswith("keras."):
        return activation.__name__
    return _UNKNOWN


def _last_weights_are_features(model: keras.Model) -> bool:
    """Returns whether the last layer of Keras or this library with weights is not a classifier.

    Features come from a norm or from pooling; a classifier's scores from a dense layer, or from a
    convolution followed by pooling.
    """
    for layer in reversed(model.layers):
        if layer.weights:
            if isinstance(layer, keras.Model):
                return _last_weights_are_features(layer)
            ours = type(layer).__module__.startswith(("keras.", "keras_cabvit."))
            return ours and not hasattr(layer, "kernel")
    return False
