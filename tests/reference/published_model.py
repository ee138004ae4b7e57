"""Variants with the reference's parameters, and their differences from the published models."""

import contextlib
import json
from pathlib import Path

import keras
import numpy as np
import parameter_fill
import tiny_models

from keras_cabvit.models import build_variant
from keras_cabvit.pytorch import load_torch_state_dict

REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text())

# The reference's names of features, and our layers with the same output. In the reference, patch
# merging is the end of a stage; here it comes between two stages.
STAGES = {
    "patch_embed": "stem",
    "layer_0": "merging_1",
    "layer_1": "merging_2",
    "layer_2": "merging_3",
    "layer_3": "stage_3",
    "norm_head": "head_norm",
}


@contextlib.contextmanager
def default_floats(dtype):
    """Makes models and JAX compute in a float type until the block ends."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    try:
        _use_floats(dtype, dtype)
        yield
    finally:
        _use_floats(floatx, policy)


def _use_floats(floatx, policy):
    if keras.config.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", floatx == "float64")
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


def state_dict(variant):
    """Returns the reference's parameters of a variant by their names in PyTorch."""
    shapes = REFERENCE[variant]["state_dict"]
    return {name: parameter_fill.parameter(name, shape) for name, shape in shapes.items()}


def published_model(variant):
    """Returns a variant with the reference's parameters, in Keras' current float type."""
    model = build_variant(variant, include_preprocessing=False, classifier_activation=None)
    load_torch_state_dict(model, state_dict(variant))
    return model


def differences(model, variant):
    """Returns the largest differences of a model's stages and logits from the reference.

    They are in the model's order, so that the first wrong one locates an error. Stages are compared
    at the sampled places.
    """
    reference = REFERENCE[variant]
    features = {name: model.get_layer(STAGES[name]).output for name in reference["features"]}
    outputs = tiny_models.outputs(
        keras.Model(model.input, {"logits": model.output, **features}),
        parameter_fill.images(**reference["input"]).astype(keras.config.floatx()),
    )
    found = {}
    for name, expected in reference["features"].items():
        values, indices = outputs[name].reshape(-1), expected["indices"]
        if values.size != np.prod(expected["shape"]):
            raise ValueError(f"{name}: {outputs[name].shape} for {expected['shape']}")
        found[name] = float(np.max(np.abs(values[indices] - expected["samples"])))
    logits = np.asarray(reference["logits"])
    found["logits"] = float(np.max(np.abs(outputs["logits"] - logits)))
    return found
