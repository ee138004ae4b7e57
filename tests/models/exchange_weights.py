"""Loads models saved on other backends and saves one again: `exchange_weights.py FOLDER SAVED...`.

Each name in SAVED is a backend that saved FOLDER/<family>-<name>.weights.h5 and .keras. Prints the
outputs for each as JSON, then saves the last models under this backend's name.
"""

import json
import sys
from pathlib import Path

import keras
import tiny_models

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


def main(folder, *backends):
    """Prints {family: [outputs of each model loaded]}."""
    found = {}
    for family in BUILDERS:
        models = [model for backend in backends for model in loaded(folder, family, backend)]
        found[family] = [
            tiny_models.outputs(model, tiny_models.images(model)).tolist() for model in models
        ]
        save(models[-1], folder, family)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
