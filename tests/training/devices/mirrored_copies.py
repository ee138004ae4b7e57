"""Trains small models on mirrored devices, and returns the resulting values on each device."""

import keras
import numpy as np
import tensorflow as tf

from training.devices.strategies import place
from training.optimization.averaged_model import AveragedModel
from training.run.state import read_state


def small_model():
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 3)(image)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))


def flat(values):
    return [np.ravel(value).tolist() for value in values]


def of_devices(variables):
    """Returns one list per device, of the values of its own copies."""
    return [flat(copies) for copies in zip(*(v.value.values for v in variables), strict=True)]


def saved(model):
    """Returns the weights that a checkpoint keeps, in their order."""
    state = dict(zip(map(id, model.variables), read_state(model).values(), strict=False))
    return [state[id(weight)] for weight in model.averaged_weights]


def trained(momentum):
    """Returns the values of a model with that momentum of its averages, or with no averages."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(1, 8, 4, 4, 3)).astype("float32")
    labels = np.eye(3, dtype="float32")[rng.integers(0, 3, (1, 8))]
    placement = place("mirrored")
    with placement.scope():
        model = AveragedModel(small_model(), momentum)
        optimizer = keras.optimizers.Adam(0.1)
        model.compile(optimizer, "categorical_crossentropy", jit_compile=placement.jit_compile)
        optimizer.build(model.trainable_variables)
        initial = flat(model.averaged_weights)
        model.fit(tf.data.Dataset.from_tensor_slices((images, labels)), verbose=0)
        result = {
            "names": [weight.path.rsplit("/")[-1] for weight in model.averaged_weights],
            "initial": initial,
            "weights": of_devices(model.averaged_weights),
            "averages": of_devices(model.averages),
            "saved": flat(saved(model)),
        }
        with model.averages_as_weights():
            result["evaluated"] = of_devices(model.averaged_weights)
    return result
