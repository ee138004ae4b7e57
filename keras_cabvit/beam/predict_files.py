"""`cabvit predict` as a transform of a Beam pipeline."""

import os
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference

from keras_cabvit.beam.decode_files import UNREADABLE, DecodeFiles
from keras_cabvit.beam.model_handler import ImageClassifierHandler
from keras_cabvit.beam.rows import PredictedFile, UnreadableFile
from keras_cabvit.data.decoding.image_header import MAX_MEGAPIXELS
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.file_predictions import (
    check_prediction_arguments,
    names_of,
    top_classes,
)
from keras_cabvit.runtimes.opened_model import open_model
from keras_cabvit.runtimes.size_and_crop import size_and_crop


class PredictedFiles(NamedTuple):
    """The outputs of `PredictFiles`: every file is in one of the two.

    Attributes:
        predictions: a PCollection of `PredictedFile`.
        unreadable: a PCollection of `UnreadableFile`.
    """

    predictions: beam.PCollection
    unreadable: beam.PCollection


class PredictFiles(beam.PTransform):
    """Predicts the classes of image files with a trained model in any form.

    The files have the pixels and the scores of `keras_cabvit.runtimes.predict_files`. They may lie
    wherever Beam reads: the input is a PCollection of their addresses, strings, or of what
    `beam.io.fileio.ReadMatches` puts out. A file that cannot be read is a row in `unreadable` and
    fails nothing.

    The model is opened once where the pipeline is made, to check it, and once in every worker
    process, so it must be at the same path there, as in a container image.

    Args:
        model: path of the model, as `keras_cabvit.runtimes.open_model` takes it.
        top: integer, the number of classes per file, if the model has as many. Defaults to 5.
        image_size: (height, width) in pixels, for a model that takes any size.
        crop: side of the centre crop as a share of the image; None, the default, as in
            `predict_files`.
        batch_size: integer, the most images at a time. Defaults to 64.
        max_megapixels: number; larger images are not decoded. Defaults to 64; `math.inf` is no
            limit.

    Returns:
        `PredictedFiles`.

    Raises:
        FileNotFoundError: there is no model at the path.
        ValueError: an argument is wrong, or the model is damaged or not a classifier.
        ImportError: TensorFlow, which reads the images, or the model's runtime is not installed.

    Example:
        >>> import apache_beam as beam
        >>> from apache_beam.io import fileio
        >>> from keras_cabvit.beam import PredictFiles
        >>> def write_predictions(pattern, model, output):
        ...     with beam.Pipeline() as pipeline:
        ...         files = pipeline | fileio.MatchFiles(pattern) | fileio.ReadMatches()
        ...         predictions, unreadable = files | PredictFiles(model, top=1)
        ...         predictions | beam.io.WriteToParquet(output)
        ...         unreadable | beam.Map(print)
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        top: int = 5,
        image_size: tuple[int, int] | None = None,
        crop: float | None = None,
        batch_size: int = 64,
        max_megapixels: float = MAX_MEGAPIXELS,
    ) -> None:
        super().__init__()
        check_prediction_arguments(top, batch_size, max_megapixels, crop)
        path = local_path(model, "model")
        opened = open_model(path)
        size, crop, _ = size_and_crop(opened, image_size, crop)
        self._decode = DecodeFiles(size, crop, max_megapixels)
        self._handler = ImageClassifierHandler(path, batch_size)
        self._top, self._names = top, opened.class_names

    # Beam warns of every type but a PCollection.
    def expand(self, files: beam.PCollection) -> Any:
        """Adds the steps to a pipeline, and returns `PredictedFiles`."""
        # Otherwise the worker that listed the files would also decode and classify all of them.
        files = files | "Distribute" >> beam.Reshuffle()
        decoded, unreadable = files | "Decode" >> beam.ParDo(self._decode).with_outputs(
            UNREADABLE, main="decoded"
        )
        predictions = (
            decoded
            | "Predict" >> RunInference(KeyedModelHandler(self._handler))
            | "Name" >> beam.MapTuple(self._row).with_output_types(PredictedFile)
        )
        unreadable = unreadable | beam.Map(lambda row: row).with_output_types(UnreadableFile)
        return PredictedFiles(predictions, unreadable)

    def _row(self, file: str, probabilities: np.ndarray) -> PredictedFile:
        (classes,), (values,) = top_classes(probabilities[None], self._top)
        return PredictedFile(file, classes, list(names_of(classes, self._names)), values)
