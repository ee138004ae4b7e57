"""A trained model of any form, for Beam's RunInference."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from apache_beam.ml.inference.base import ModelHandler

from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.file_predictions import padded_probabilities
from keras_cabvit.runtimes.opened_model import OpenedModel, open_model


class ImageClassifierHandler(ModelHandler[np.ndarray, np.ndarray, OpenedModel]):
    """Runs a trained model of any form inside `apache_beam.ml.inference.base.RunInference`.

    Examples are pixels as the model takes them, uint8 or float32 (height, width, 3) with values in
    0..255; predictions are float32 (classes,) probabilities. Every worker process opens the model
    once.

    Args:
        model: path of the model on the workers, as `keras_cabvit.runtimes.open_model` takes it.
        batch_size: integer, the most images at a time. Smaller batches are filled up to a power of
            two, because compilers compile for every size. Defaults to 64.

    Raises:
        ValueError: `model` is an address such as `gs://bucket/model.keras`, or `batch_size` is
            below 1.
    """

    def __init__(self, model: str | os.PathLike[str], batch_size: int = 64) -> None:
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}")
        super().__init__(max_batch_size=batch_size)
        self._path, self._batch_size = local_path(model, "model"), batch_size

    def load_model(self) -> OpenedModel:
        """Opens the model; see `keras_cabvit.runtimes.open_model` for what is raised."""
        return open_model(self._path)

    def run_inference(
        self,
        batch: Sequence[np.ndarray],
        model: OpenedModel,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterator[np.ndarray]:
        """Yields the probabilities of a batch of images."""
        filled = min(self._batch_size, 1 << (len(batch) - 1).bit_length())
        yield from padded_probabilities(model, np.stack(batch), filled)

    def get_num_bytes(self, batch: Sequence[np.ndarray]) -> int:
        """Returns the bytes of the images, for Beam's metrics."""
        return sum(pixels.nbytes for pixels in batch)

    def get_metrics_namespace(self) -> str:
        """Returns the name of the metrics in Beam's reports."""
        return "ImageClassifier"

    def validate_inference_args(self, inference_args: Mapping[str, Any] | None) -> None:
        """Raises ValueError if there are any arguments, which the model has not."""
        if inference_args:
            raise ValueError(f"The model takes pixels alone. Received: {inference_args}")
