"""Backbones and classifiers of KerasHub small enough for tests on every backend."""

import keras
import numpy as np
import tiny_models

from keras_cabvit.hub import (
    CabViTBackbone,
    CabViTImageClassifier,
    CabViTImageClassifierPreprocessor,
    CabViTImageConverter,
)

SIZES = {"embed_dims": (4, 8, 8, 16), "depths": (1, 1, 2, 1), "num_heads": (1, 2)}


def backbone(**changes):
    """Builds a backbone for 32x32 images."""
    return CabViTBackbone(**{**SIZES, "image_shape": (32, 32, 3), **changes})


def classifier(image_size=(32, 32), **changes):
    """Builds a classifier of five classes, with random weights of a visible effect."""
    converter = CabViTImageConverter(image_size=image_size)
    arguments = {
        "backbone": backbone(),
        "num_classes": 5,
        "preprocessor": CabViTImageClassifierPreprocessor(converter),
    }
    return tiny_models.filled(CabViTImageClassifier(**{**arguments, **changes}))


def photographs(*size, batch=2, seed=0):
    """Returns pixels in [0, 255], uint8 (batch, *size, 3)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (batch, *size, 3), dtype=np.uint8)


def predicted(classifier, images):
    """Returns a classifier's outputs, images resized and normalised by its preprocessor."""
    prepared = classifier.preprocessor(images)
    return keras.ops.convert_to_numpy(classifier(prepared, training=False))
