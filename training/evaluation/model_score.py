"""The scores of one of several models."""

from dataclasses import dataclass
from typing import Protocol

from training.evaluation.metrics import Scores


class Named(Protocol):
    """A saved model: `OpenedModel`, `Evaluation` and the like."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def form(self) -> str:
        """Its form: "Keras", "SavedModel", "TFLite" or "ONNX"."""

    @property
    def size(self) -> int:
        """Its size on disk in bytes."""


@dataclass(frozen=True)
class ModelScore:
    """The scores of one of several models.

    Attributes:
        model: name of the model.
        form: "Keras", "SavedModel", "TFLite" or "ONNX", or the caller's name for it.
        images: the number of images that were scored.
        top1: share of the images whose most probable class is the right one.
        top5: share whose class is among the five most probable; None with five classes or fewer.
        cross_entropy: cross-entropy in nats.
        calibration_error: expected calibration error, 0 to 1.
        size: bytes on disk.
        latency: median seconds for one image.
        agreement: share of the images that get the same class from the first of several models.
        balanced_accuracy: mean recall of the classes with images.
        macro_precision: their mean precision.
        macro_f1: their mean F1.
        majority_baseline: top-1 of always answering the most frequent class.
    """

    model: str
    form: str
    images: int
    top1: float
    top5: float | None
    cross_entropy: float
    calibration_error: float
    size: int
    latency: float
    agreement: float | None = None
    balanced_accuracy: float | None = None
    macro_precision: float | None = None
    macro_f1: float | None = None
    majority_baseline: float | None = None


def model_score(
    model: Named, scores: Scores, latency: float, agreement: float | None = None
) -> ModelScore:
    """Returns the `ModelScore` of a model.

    Args:
        model: object with the model's `name`, `form` and `size` in bytes.
        scores: `Scores`.
        latency: median seconds for one image.
        agreement: share of the images that get the same class from the first of several models.
    """
    return ModelScore(
        model=model.name,
        form=model.form,
        images=scores.images,
        top1=scores.top1,
        top5=scores.top5 if scores.classes > 5 else None,
        cross_entropy=scores.cross_entropy,
        calibration_error=scores.calibration_error,
        size=model.size,
        latency=latency,
        agreement=agreement,
        balanced_accuracy=scores.balanced_accuracy,
        macro_precision=scores.macro_precision,
        macro_f1=scores.macro_f1,
        majority_baseline=scores.majority_baseline,
    )
