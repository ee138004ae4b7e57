"""A classifier in all forms that can be opened, small enough to build in a second."""

import keras
import numpy as np

from keras_cabvit.export import to_onnx, to_saved_model, to_tflite

SIZE = (16, 12)
CLASS_NAMES = ("ant", "bee", "cat", "dog")


def small_classifier(activation="softmax", seed=0):
    """Returns a model that tells four regions of mean colour apart, slightly different per seed."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    kernel = corners.T + 0.5 * np.random.default_rng(seed).normal(size=(3, 4))
    image = keras.Input((*SIZE, 3), name="image")
    color = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 64, -2)(image))
    dense = keras.layers.Dense(4, activation, name="predictions")
    model = keras.Model(image, dense(color))
    dense.set_weights([kernel, np.zeros(4)])
    return model


def save_forms(model, folder, labels=None, crop=None):
    """Writes `model.keras`, `servable/1`, `model.tflite` and `model.onnx`; returns their paths."""
    model.save(folder / "model.keras")
    to_saved_model(model, folder / "servable", labels=labels, crop=crop)
    file = folder / "model.tflite"
    to_tflite(model, file, quantization="none", labels=labels, crop=crop)
    exchange = to_onnx(model, folder / "model.onnx", labels=labels, crop=crop)
    return folder / "model.keras", folder / "servable", file, exchange


def noise(count, seed=0):
    """Returns uint8 images (count, *SIZE, 3), each with a mean colour of its own."""
    rng = np.random.default_rng(seed)
    colors = rng.uniform(0, 255, (count, 1, 1, 3))
    return np.clip(colors + rng.normal(0, 20, (count, *SIZE, 3)), 0, 255).astype("uint8")
