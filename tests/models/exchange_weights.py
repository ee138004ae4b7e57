"""Loads models saved on another backend and saves them again: `exchange_weights.py FOLDER BACKEND`.

BACKEND saved FOLDER/<family>-<BACKEND>.weights.h5 and .keras, which must load the same weights.
Prints the models' outputs as JSON, then saves the models under this backend's name.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny_models
from numpy_initializers import replace_initializers

import keras_cabvit

BUILDERS = {"hybrid": tiny_models.hybrid, "plain": tiny_models.plain}


def save(model, folder, family):
    """Saves a model under the name of the current backend."""
    path = Path(folder) / f"{family}-{keras.config.backend()}"
    keras_cabvit.weights.save_weights(model, f"{path}.weights.h5")
    model.save(f"{path}.keras")


def loaded(folder, family, backend):
    """Returns two models that a backend saved: from its weights file, and from its .keras file."""
    path = Path(folder) / f"{family}-{backend}"
    return (
        BUILDERS[family](weights=f"{path}.weights.h5", classifier_activation=None),
        keras.saving.load_model(f"{path}.keras"),
    )


def the_same(folder, family, backend):
    """Returns the model in a backend's .keras file, whose weights are those of its weights file."""
    built, whole = loaded(folder, family, backend)
    for weight, value in zip(built.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, value)
    return whole


def main(folder, backend):
    """Prints {family: outputs}."""
    found = {}
    for family in BUILDERS:
        model = the_same(folder, family, backend)
        found[family] = tiny_models.outputs(model, tiny_models.images(model)).tolist()
        save(model, folder, family)
    print(json.dumps(found))


if __name__ == "__main__":
    replace_initializers(pytest.MonkeyPatch())
    main(*sys.argv[1:])
