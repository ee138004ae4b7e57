"""A `.keras` file, run by Keras."""

import os

from keras_cabvit.runtimes.classifier import Classifier, class_count, of_both_classes
from keras_cabvit.runtimes.classifier_activation import classifier_activation as activation_of
from keras_cabvit.runtimes.keras_statements import keras_statements
from keras_cabvit.runtimes.pixel_scale import note_on_pixels
from keras_cabvit.runtimes.reading import read_keras_model


def load_keras(
    path: str | os.PathLike[str], classifier_activation: str | None = None
) -> Classifier:
    """Opens a `.keras` file on Keras' current backend.

    Args:
        path: path of the file.
        classifier_activation: "softmax", "linear" or "sigmoid", for a model that ends in a layer of
            the caller's own. Defaults to None: determined from the model.

    Returns:
        `Classifier`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, not a Keras model, or states an absurd crop.
        NotAClassifier: the model does not have exactly one image input and one classifier.
    """
    model = read_keras_model(path)
    activation = activation_of(model, str(path), classifier_activation)
    stated = keras_statements(path, model.input_shape[1:])
    return Classifier(
        runtime=model,
        image_shape=model.input_shape[1:],
        classes=class_count(model.output_shape),
        gives_probabilities=None if activation is None else activation != "linear",
        scores=of_both_classes(str(path), model.predict_on_batch),
        labels=stated.labels,
        evaluation_crop=stated.crop,
        notes=note_on_pixels(model, str(path)),
    )
