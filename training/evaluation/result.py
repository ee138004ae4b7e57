"""The result of an evaluation."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.data.duplicates import Duplicates
from training.evaluation.metrics import Scores
from training.evaluation.model_score import ModelScore, model_score
from training.evaluation.predictions import Mistake
from training.evaluation.refusal import Refusal
from training.evaluation.suspects import Suspect


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of a saved model, with the predictions they come from.

    Attributes:
        name: name of the run or the file.
        form: "Keras", "SavedModel", "TFLite" or "ONNX".
        path: path of the file or directory.
        data: name of the data set.
        note: sentences on the images that were scored.
        are_test_of_run: whether these are the test images that the run itself was scored on.
        notes: tuple of sentences that the reader should know.
        class_names: tuple of strings, in the order of the labels.
        scores: `Scores`.
        names: tuple of strings, the images that were scored.
        labels: integers (images,).
        predicted: integers (images,).
        probabilities: floats (images, classes).
        mistakes: tuple of `Mistake`, the most confident ones, the worst first.
        broken_names: tuple of strings, images that cannot be read and were not scored.
        latency: float, median seconds for one image.
        size: integer, bytes on disk.
        image_size: (height, width) in pixels.
        crop: float, side of the centre crop as a share of the image.
        seconds: float, duration of the evaluation.
        suspects: tuple of `Suspect`, images whose label is worth a second look.
        refusal: `Refusal`, the threshold for "none of these"; None if it is unknown.
        training_counts: tuple of integers, the run's training images of each class; None if they
            are unknown.
        duplicates: `Duplicates` in the data.
    """

    name: str
    form: str
    path: Path
    data: str
    note: str
    are_test_of_run: bool
    notes: tuple[str, ...]
    class_names: tuple[str, ...]
    scores: Scores
    names: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    mistakes: tuple[Mistake, ...]
    broken_names: tuple[str, ...]
    latency: float
    size: int
    image_size: tuple[int, int]
    crop: float
    seconds: float
    suspects: tuple[Suspect, ...] = ()
    refusal: Refusal | None = None
    training_counts: tuple[int, ...] | None = None
    duplicates: Duplicates = field(default_factory=Duplicates)

    def as_row(self) -> ModelScore:
        """Returns the scores as a `ModelScore`, a row of a table."""
        return model_score(self, self.scores, self.latency)
