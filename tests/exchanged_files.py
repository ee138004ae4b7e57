"""Files of the two tiny models, which one backend writes and the others read."""

import keras
import numpy as np
import tiny_models

from keras_cabvit.weights import save_weights

# Environment variable with the folder that another backend wrote.
FOLDER = "FILES_OF_ANOTHER_BACKEND"
BUILDERS = {"hybrid": tiny_models.hybrid, "plain": tiny_models.plain}


def write(folder):
    """Writes two files per family, and what their models must be: <family>.json, <family>.npy."""
    for family, build in BUILDERS.items():
        model = tiny_models.filled(build(classifier_activation=None))
        save(model, folder / family)
        (folder / f"{family}.json").write_text(model.to_json())
        np.save(folder / f"{family}.npy", tiny_models.outputs(model, tiny_models.images(model)))


def save(model, path):
    """Saves a model in both kinds of file, with the suffixes added to `path`."""
    model.save(f"{path}.keras")
    save_weights(model, f"{path}.weights.h5")


def load(family, path):
    """Returns two models: from the weights file, and from the .keras file."""
    built = BUILDERS[family](weights=f"{path}.weights.h5", classifier_activation=None)
    return built, keras.saving.load_model(f"{path}.keras")
