"""Opening a model with weights that have a name of their own."""

from pathlib import Path

import numpy as np

from keras_cabvit.models import CabViTH_T, decode_predictions
from keras_cabvit.runtimes.classifier import Classifier
from keras_cabvit.runtimes.opened_model import OpenedModel
from keras_cabvit.runtimes.probabilities import Probabilities
from keras_cabvit.runtimes.size_on_disk import size_on_disk
from keras_cabvit.weights import PRETRAINED


def is_pretrained(path: Path) -> bool:
    """Returns whether a path of a command line is the name of weights; a file goes before it."""
    return str(path) in PRETRAINED and not path.exists()


def open_pretrained(weights: str) -> OpenedModel:
    """Opens `CabViTH_T` with named weights.

    Args:
        weights: name of the weights, such as "tiny_imagenet", which the package contains.

    Returns:
        `OpenedModel`, with the classes and the crop of these weights.

    Raises:
        ValueError: there are no such weights.
    """
    if weights not in PRETRAINED:
        raise ValueError(
            f"`weights` must be one of {', '.join(PRETRAINED)}. Received: weights={weights!r}"
        )
    pretrained = PRETRAINED[weights]
    path = pretrained.path("CabViTH_T")
    model = CabViTH_T(
        weights=weights, input_shape=(*pretrained.image_size, 3), classes=pretrained.classes
    )
    best = decode_predictions(np.eye(pretrained.classes), top=1)
    names = tuple(name for ((_, name, _),) in best)
    classifier = Classifier(
        runtime=model,
        image_shape=(*pretrained.image_size, 3),
        classes=pretrained.classes,
        gives_probabilities=True,
        scores=model.predict_on_batch,
        labels=names,
    )
    return OpenedModel(
        path=path,
        name=f"CabViTH_T with weights {weights}",
        form="Keras",
        runtime=model,
        predict=Probabilities(path, classifier),
        image_size=pretrained.image_size,
        classes=pretrained.classes,
        class_names=names,
        size=size_on_disk(path),
        run=None,
        evaluation_crop=pretrained.evaluation_crop,
    )
