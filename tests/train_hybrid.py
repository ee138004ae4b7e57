"""Trains the weights of `tiny_models.trained_hybrid`: `python tests/train_hybrid.py`.

Tracing and training take 15 seconds of a core, and building the model with these weights one.
"""

from pathlib import Path

import keras
import numpy as np
import tiny_models


def train():
    """Returns a hybrid model after 40 steps on the images of `tiny_models.patterned_images`."""
    keras.utils.set_random_seed(0)
    model = tiny_models.hybrid(layer_scale_init=0.3)
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.8  # there are only a few steps
    for weight in model.weights:
        if weight.path.rsplit("/")[-1] in ("position_bias", "digest_bias", "digest_scale"):
            weight.assign(weight + 0.3 * rng.standard_normal(weight.shape))
    optimizer = keras.optimizers.Adam(2e-3)
    optimizer.build(model.trainable_variables)  # otherwise TensorFlow traces the step twice
    model.compile(optimizer, "sparse_categorical_crossentropy")
    images = tiny_models.patterned_images(model.input_shape[1:], 640)
    model.fit(images, np.arange(640) % 5, batch_size=32, epochs=2, verbose=0)
    return model


if __name__ == "__main__":
    values = train().get_weights()
    np.savez_compressed(Path(__file__).with_name("trained_hybrid.npz"), *values)
