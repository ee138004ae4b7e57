"""A SavedModel directory, run by TensorFlow."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keras_cabvit.data.labels import LABELS, labels_in
from keras_cabvit.runtimes.classifier import (
    Classifier,
    as_type,
    class_count,
    gives_probabilities,
    in_batches,
    of_both_classes,
    unstated_pixels,
)
from keras_cabvit.runtimes.classifier_activation import NotAClassifier, check_one_of_each
from keras_cabvit.runtimes.reading import latest_version, read_saved_model
from keras_cabvit.runtimes.stated_crop import CROP_FILE, stated_crop


def load_saved_model(path: str | os.PathLike[str]) -> Classifier:
    """Opens the signature `serving_default` of a SavedModel directory with TensorFlow.

    Args:
        path: path of the directory that holds `saved_model.pb`, or of the folder with its numbered
            versions, the highest of which is opened.

    Returns:
        `Classifier`.

    Raises:
        FileNotFoundError: there is no SavedModel at `path`.
        ValueError: it is damaged, has no signature `serving_default`, or states an absurd crop.
        ImportError: TensorFlow is not installed.
        NotAClassifier: the signature does not have exactly one image input and one output.
    """
    loaded = read_saved_model(path)
    signature = loaded.signatures["serving_default"]
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    check_one_of_each(f"The signature serving_default of {path}", inputs, outputs)
    ((input_name, image),), ((output_name, output),) = inputs.items(), outputs.items()

    def scores(images: npt.ArrayLike) -> np.ndarray:
        import tensorflow as tf

        fed = as_type(images, image.dtype.as_numpy_dtype)
        batches = [fed] if batch is None else in_batches(fed, batch)
        found = [signature(**{input_name: tf.constant(each)})[output_name] for each in batches]
        return np.concatenate([each.numpy() for each in found])[: len(fed)]

    if not image.shape.rank:
        raise NotAClassifier(
            f"The signature serving_default of {path} must take images of shape (batch, height, "
            f"width, channels). It takes tensors of shape {image.shape}."
        )
    batch = image.shape[0]
    output_shape = output.shape.as_list() if output.shape.rank else []
    crop = _asset_crop(path, tuple(image.shape[1:]))
    # An export of this library states its crop.
    unstated = image.dtype.is_floating and crop is None
    return Classifier(
        runtime=loaded,
        image_shape=tuple(image.shape[1:]),
        classes=class_count(output_shape) if output_shape else None,
        gives_probabilities=gives_probabilities(output_name, output_shape[-1:]),
        scores=of_both_classes(str(path), scores),
        labels=_asset_labels(path),
        evaluation_crop=crop,
        notes=(unstated_pixels(path),) if unstated else (),
    )


def _asset_labels(path: str | os.PathLike[str]) -> tuple[str, ...] | None:
    """Returns the names in `assets/labels.txt` of a SavedModel, or None."""
    file = _asset(path, LABELS)
    return tuple(labels_in(file.read_bytes(), file)) if file.is_file() else None


def _asset_crop(path: str | os.PathLike[str], image_shape: Sequence[int | None]) -> float | None:
    """Returns the crop that a SavedModel states, or None."""
    file = _asset(path, CROP_FILE)
    return stated_crop(file.read_bytes(), path, image_shape) if file.is_file() else None


def _asset(path: str | os.PathLike[str], name: str) -> Path:
    return (latest_version(path) or Path(path)) / "assets" / name
