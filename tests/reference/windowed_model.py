"""CabViTH_S in windows, and its differences from the authors' model for dense prediction."""

import json
from pathlib import Path

import numpy as np
import parameter_fill
import tiny_models

import keras_cabvit
from keras_cabvit.pytorch import load_torch_state_dict

REFERENCE = json.loads(Path(__file__).with_name("windowed.json").read_text())


def windowed_pyramid(state_dict):
    """Returns the levels of the variant's pyramid, for images of any size."""
    model = keras_cabvit.CabViTH_S(
        windowed=True, input_shape=(None, None, 3), include_preprocessing=False
    )
    load_torch_state_dict(model, state_dict)
    return keras_cabvit.features(model)


def differences(pyramid, reference):
    """Returns a dict from the stages to the largest difference of their sampled outputs."""
    outputs = tiny_models.outputs(pyramid, parameter_fill.images(**reference["input"]))
    found = {}
    for (stage, expected), (level, values) in zip(
        reference["features"].items(), outputs.items(), strict=True
    ):
        if list(values.shape) != expected["shape"]:
            raise ValueError(f"{level}: {values.shape} for {stage} of {expected['shape']}")
        samples = values.reshape(-1)[expected["indices"]]
        found[stage] = float(np.max(np.abs(samples - expected["samples"])))
    return found


def differences_by_size(state_dict):
    """Returns a dict from the image sizes of the reference to the stages' differences."""
    pyramid = windowed_pyramid(state_dict)
    return {size: differences(pyramid, reference) for size, reference in REFERENCE.items()}
