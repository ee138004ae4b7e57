"""Loading a PyTorch state dict into a model, completely or not at all."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_cabvit.data.listed import listed
from keras_cabvit.layers.flatten_layers import flatten_layers
from keras_cabvit.layers.inference_form import is_inference_form
from keras_cabvit.pytorch.parameters import torch_parameters

# BatchNorm's counter of training steps: every real checkpoint has it; inference ignores it.
_IGNORED_SUFFIX = ".num_batches_tracked"
_LISTED = 12


def load_torch_state_dict(model: keras.Model, state_dict: Mapping[str, Any]) -> keras.Model:
    """Loads the parameters of the published PyTorch model into a model.

    Args:
        model: a model of this library, with the classifier if `state_dict` has one.
        state_dict: mapping from PyTorch's names to numpy arrays or torch tensors. Counters
            (`*.num_batches_tracked`) are ignored.

    Returns:
        The model.

    Raises:
        ValueError: names are missing or left over, or arrays have the wrong shape, are no real
            numbers, are quantised, sparse or without data (on the meta device), or have non-finite
            values; the message lists them. Or layers of the model are quantised, have LoRA's
            weights or are fused. The model is unchanged.

    Example:
        >>> model = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3))
        >>> keras_cabvit.pytorch.load_torch_state_dict(model, {"head.bias": np.zeros(1000)})
        Traceback (most recent call last):
        ...
        ValueError: The state dict does not fit model 'CabViTH_T', which is unchanged.
        ...
    """
    _check_trainable_form(model)
    names = {name for name in state_dict if not name.endswith(_IGNORED_SUFFIX)}
    missing, misshaped, no_numbers, no_arrays, not_finite, values = [], [], [], [], [], []
    for parameter in torch_parameters(model):
        if parameter.name not in names:
            missing.append(parameter.name)
            continue
        names.remove(parameter.name)
        tensor = state_dict[parameter.name]
        try:
            array = _to_numpy(tensor)
        except (TypeError, ValueError, RuntimeError):
            no_arrays.append(f"{parameter.name} ({_kind(tensor)})")
            continue
        if array.shape != parameter.shape:
            misshaped.append(f"{parameter.name} {array.shape} for {parameter.shape}")
        elif not np.can_cast(array.dtype, "float64", "same_kind"):
            no_numbers.append(f"{parameter.name} ({array.dtype})")
        elif not np.isfinite(array).all():
            not_finite.append(parameter.name)
        else:
            for variable, transform in parameter.assignments:
                values.append((variable, transform(array)))
    problems = [
        ("Missing", missing),
        ("Left over", sorted(names)),
        ("Of another shape", misshaped),
        ("Not real numbers", no_numbers),
        ("Not plain tensors", no_arrays),
        ("Not finite", not_finite),
    ]
    lines = [
        f"{title} ({len(found)}): {listed(found, _LISTED)}." for title, found in problems if found
    ]
    if lines:
        raise ValueError(
            f"The state dict does not fit model '{model.name}', which is unchanged.\n"
            + "\n".join(lines)
        )
    for variable, value in values:
        variable.assign(value)
    return model


def _check_trainable_form(model: keras.Model) -> None:
    for layer in flatten_layers(model):
        if getattr(layer, "quantization_mode", None) is not None:
            form = f"is quantised to {layer.quantization_mode}"
        elif getattr(layer, "lora_enabled", False):
            form = "has LoRA's weights beside its own"
        elif is_inference_form(layer):
            form = "is in its form for inference"
        else:
            continue
        raise ValueError(
            f"Layer '{layer.name}' of model '{model.name}' {form}. Load the state dict into a "
            "model as it was built, before `quantize`, `enable_lora` or `fuse`."
        )


def _to_numpy(array: Any) -> np.ndarray:
    """Returns a numpy array, or a torch tensor of any floating type, as a numpy array."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        if array.is_floating_point() and array.element_size() < 4:
            array = array.float()  # numpy has no bfloat16
        array = array.numpy()
    return np.asarray(array)


def _kind(tensor: Any) -> str:
    """Describes a tensor that cannot become an array."""
    if getattr(tensor, "is_quantized", False):
        return f"quantised, {tensor.dtype}"
    if getattr(tensor, "is_meta", False):
        return "on the meta device, without data"
    layout = str(getattr(tensor, "layout", ""))
    return layout.removeprefix("torch.") if "sparse" in layout else type(tensor).__name__
