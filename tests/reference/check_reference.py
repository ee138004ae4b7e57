"""Prints variants' differences from the published models: `check_reference.py CabViTH_S ...`.

Runs on the backend in KERAS_BACKEND. The last line is JSON: per variant, for float32 and, for the
smaller ones, float64, the largest difference of logits, and of the sampled features of each stage
in the model's order; and, for the smallest of each family, the largest change of the float32 logits
by fusing.
"windowed" stands for CabViTH_S in windows: per image size, the difference of each stage in float32.
"""

import gc
import json
import sys
from pathlib import Path

import keras
import numpy as np
import parameter_fill
import pytest
import tiny_models
from numpy_initializers import replace_initializers
from windowed_model import differences_by_size

from keras_cabvit.inference import fuse
from keras_cabvit.models import build_variant
from keras_cabvit.pytorch import load_torch_state_dict

REFERENCE = Path(__file__).with_name("reference.json")

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
# Larger variants differ from these in sizes alone, which float32 shows.
IN_FLOAT64 = ("CabViTH_T", "CabViTH_S", "CabViTP_T")
# JAX takes long to compile; tests/inference checks that fusing gives the same there.
FUSED = ("CabViTH_T", "CabViTP_T") if keras.config.backend() != "jax" else ()


def filled_model(variant, state_dict):
    """Returns the variant with the reference's parameters, in Keras' current float type."""
    model = build_variant(variant, include_preprocessing=False, classifier_activation=None)
    load_torch_state_dict(model, state_dict)
    return model


def differences(model, reference):
    """Returns a model's differences from the reference, and its logits."""
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
    return found, outputs["logits"]


def use_floats(dtype):
    """Makes models compute in a float type, and frees those built before."""
    keras.backend.clear_session(free_memory=True)
    if keras.config.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", dtype == "float64")
    keras.config.set_floatx(dtype)


def state_dict_of(reference):
    """Returns the reference's parameters by their names in PyTorch."""
    return {
        name: parameter_fill.parameter(name, shape)
        for name, shape in reference["state_dict"].items()
    }


def check(variant, references):
    """Returns a variant's differences in float32 and in float64, and by fusing."""
    if variant == "windowed":
        use_floats("float32")
        return differences_by_size(state_dict_of(references["CabViTH_S"]))
    reference = references[variant]
    state_dict = state_dict_of(reference)
    found = {}
    for dtype in ("float32", "float64") if variant in IN_FLOAT64 else ("float32",):
        use_floats(dtype)
        model = filled_model(variant, state_dict)
        found[dtype], logits = differences(model, reference)
        if variant in FUSED and dtype == "float32":
            images = parameter_fill.images(**reference["input"])
            fused = tiny_models.outputs(fuse(model), images)
            found["fused"] = float(np.max(np.abs(fused - logits)))
    return found


if __name__ == "__main__":
    gc.freeze()  # `clear_session` collects garbage
    replace_initializers(pytest.MonkeyPatch(), zeros=True)  # parameters replace them
    references = json.loads(REFERENCE.read_text())
    print(json.dumps({variant: check(variant, references) for variant in sys.argv[1:]}))
