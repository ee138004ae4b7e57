"""Comparison of an export with its source model."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from keras import ops

from keras_cabvit.data.array_checks import check_labels, check_pixels
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.class_names import names_of_model
from keras_cabvit.runtimes.class_order import columns_of_model, moved_classes
from keras_cabvit.runtimes.classifier import (
    Classifier,
    check_finite_scores,
    look_like_probabilities,
)
from keras_cabvit.runtimes.delegation import Delegation, delegation
from keras_cabvit.runtimes.gpu_accelerator import NAME, Acceleration, GpuAccelerator
from keras_cabvit.runtimes.keras_classifier import load_keras
from keras_cabvit.runtimes.latency import median_latencies
from keras_cabvit.runtimes.onnx_classifier import load_onnx
from keras_cabvit.runtimes.reading import latest_version
from keras_cabvit.runtimes.saved_model_classifier import load_saved_model
from keras_cabvit.runtimes.size_on_disk import size_on_disk
from keras_cabvit.runtimes.tflite_classifier import load_tflite

ACCELERATORS = ("cpu", "gpu")
_BATCH = 32


@dataclass(frozen=True)
class Verification:
    """Scores, latency and size of an export next to those of its source model.

    Attributes:
        images: integer, number of images that both were run on.
        agreement: share of the images that both assign to the same class.
        scores: "logits" or "probabilities", the kind of scores whose signal-to-noise ratio is
            given. Logits are derived from probabilities as their logarithms minus each image's
            mean, which softmax removes. "probabilities" if some are zero, as integers can be, and
            so have no logarithm.
        signal_to_noise: float, in decibels, see `signal_to_noise`.
        accuracy: share of the images that the export classifies correctly; None without labels.
        model_accuracy: the same for the model.
        latency: median seconds per image of the export, one image at a time.
        model_latency: the same for the model, measured alternately in the same run.
        size: size of the export on disk, in bytes.
        model_size: size of the model on disk, in bytes.
        delegation: `Delegation` of a .tflite file to XNNPACK; None for other forms, and on a GPU.
        acceleration: `Acceleration` by LiteRT's GPU accelerator; None on the CPU.
        moved_classes: tuple of pairs of integers, classes of the model and those of the export that
            give their scores: the export's are in another order, although their names say
            otherwise or are unknown. Empty if all are where they belong.
        notes: tuple of sentences on assumptions about the files.
    """

    images: int
    agreement: float
    scores: str
    signal_to_noise: float
    accuracy: float | None
    model_accuracy: float | None
    latency: float
    model_latency: float
    size: int
    model_size: int
    delegation: Delegation | None
    acceleration: Acceleration | None = None
    moved_classes: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()


def verify(
    export: str | os.PathLike[str],
    model: str | os.PathLike[str],
    images: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    rounds: int = 50,
    accelerator: str = "cpu",
) -> Verification:
    """Runs an export and its source model on the same images, and compares them.

    The export runs as its users run it: a .tflite file in LiteRT with 2 threads and XNNPACK, an
    .onnx file in onnxruntime with 2 threads, a SavedModel in TensorFlow. The model runs in Keras,
    on the current backend. Classes are matched by name if both are named: the model inside its
    file, else in `labels.txt`, else in `run.json`, beside it.

    Args:
        export: path of a `.tflite` file, an `.onnx` file or a SavedModel directory.
        model: path of the `.keras` file that it was made from.
        images: array (count, height, width, channels) of pixels in [0, 255].
        labels: integers (count,) from 0, the true classes, or None.
        rounds: integer, number of images to time. Defaults to 50.
        accelerator: "cpu", the default; or "gpu" to run a .tflite file on LiteRT's GPU accelerator
            (WebGPU) instead, see `GpuAccelerator`. Its latency includes the way to another process.

    Returns:
        `Verification`.

    Raises:
        FileNotFoundError: there is no such export or model.
        ImportError: the runtime of the export is not installed.
        ValueError: a file is damaged, or export, model, images and labels do not match, or the
            accelerator cannot run the export (`AcceleratorError`).
    """
    export, model = local_path(export, "export"), local_path(model, "model")
    expected = load_keras(model)
    names = names_of_model(model, expected.classes)
    with opened_export(export, accelerator) as found:
        return verify_opened(export, found, model, expected, images, labels, rounds, names)


@contextlib.contextmanager
def opened_export(path: str | os.PathLike[str], accelerator: str = "cpu") -> Iterator[Classifier]:
    """Opens a `.tflite` file, an `.onnx` file or a SavedModel directory for the `with` block."""
    path = local_path(path, "export")
    if accelerator not in ACCELERATORS:
        raise ValueError(
            f"`accelerator` must be one of {ACCELERATORS}. Received: accelerator={accelerator!r}"
        )
    if accelerator == "cpu":
        yield load_export(path)
        return
    if path.suffix.lower() != ".tflite":
        raise ValueError(f"{NAME} runs .tflite files. Received: {path}")
    load_export(path)  # raises errors that say more
    with GpuAccelerator(path) as gpu:
        yield dataclasses.replace(load_tflite(path, run=gpu), runtime=gpu)


def load_export(path: Path) -> Classifier:
    """Opens a `.tflite` file, an `.onnx` file or a SavedModel directory on the CPU."""
    return _LOADERS.get(path.suffix.lower(), load_saved_model)(path)


_LOADERS: dict[str, Callable[[Path], Classifier]] = {".tflite": load_tflite, ".onnx": load_onnx}


def verify_opened(
    export: str | os.PathLike[str],
    found: Classifier,
    model: str | os.PathLike[str],
    expected: Classifier,
    images: npt.ArrayLike,
    labels: npt.ArrayLike | None,
    rounds: int,
    names: Sequence[str] | None = None,
) -> Verification:
    """Does the same as `verify` with both opened: the export is `found`, the model `expected`.

    `names` are those of the model's classes, or None.
    """
    export, model = local_path(export, "export"), local_path(model, "model")
    images = np.asarray(images)
    labels = None if labels is None else np.asarray(labels)
    _check_fit(export, found, model, expected, images, labels)
    if rounds < 1:
        raise ValueError(f"`rounds` must be at least 1. Received: rounds={rounds}")

    columns, notes = columns_of_model(export, found.labels, model, names, expected.classes)
    given, wanted = _in_batches(found, images, export), _in_batches(expected, images, model)
    acceleration = None
    if isinstance(found.runtime, GpuAccelerator):
        acceleration = _acceleration(found.runtime, given, images)
    if columns is not None:
        given = given[:, columns]
    classes, model_classes = given.argmax(axis=1), wanted.argmax(axis=1)
    expect_probabilities = expected.gives_probabilities
    if expect_probabilities is None:  # after a layer of the user's own
        expect_probabilities = look_like_probabilities(wanted)
    # Other exporters do not name their scores, so their kind is unknown: assume the model's.
    probabilities = found.gives_probabilities
    if probabilities is None:
        probabilities = expect_probabilities
    kind, given, wanted = comparable_scores(given, wanted, probabilities, expect_probabilities)
    latency, model_latency = median_latencies([found, expected], [images, images], rounds)
    return Verification(
        images=len(images),
        agreement=float(np.mean(classes == model_classes)),
        scores=kind,
        signal_to_noise=signal_to_noise(wanted, given),
        accuracy=None if labels is None else float(np.mean(classes == labels)),
        model_accuracy=None if labels is None else float(np.mean(model_classes == labels)),
        latency=latency,
        model_latency=model_latency,
        size=size_on_disk((latest_version(export) if export.is_dir() else None) or export),
        model_size=size_on_disk(model),
        delegation=(
            delegation(export)
            if export.suffix.lower() == ".tflite" and acceleration is None
            else None
        ),
        acceleration=acceleration,
        moved_classes=moved_classes(given, wanted),
        notes=(*found.notes, *expected.notes, *notes),
    )


def _check_fit(
    export: Path,
    found: Classifier,
    model: Path,
    expected: Classifier,
    images: np.ndarray,
    labels: np.ndarray | None,
) -> None:
    """Raises a ValueError unless export, model, images and labels belong together."""
    if not len(images) or not _alike(images.shape[1:], expected.image_shape):
        raise ValueError(_wrong_shape(images, expected, model))
    check_pixels(images, "`images`")
    different = f"{export} was not made from {model}: the export has"
    if not _alike(found.image_shape, expected.image_shape):
        raise ValueError(
            f"{different} images of shape {found.image_shape}, the model {expected.image_shape}."
        )
    if found.classes != expected.classes:
        raise ValueError(f"{different} classes: {found.classes}, the model {expected.classes}.")
    if not _alike(images.shape[1:], found.image_shape):
        raise ValueError(_wrong_shape(images, found, export))
    if labels is not None:
        check_labels(labels, len(images), expected.classes)


def _alike(shape: Sequence[int | None], other: Sequence[int | None]) -> bool:
    """Returns whether two shapes are equal where both are known."""
    return len(shape) == len(other) and all(
        None in pair or pair[0] == pair[1] for pair in zip(shape, other, strict=True)
    )


def _wrong_shape(images: np.ndarray, classifier: Classifier, path: Path) -> str:
    return (
        f"`images` must be of shape (count, {', '.join(map(str, classifier.image_shape))}), as "
        f"{path} takes them, with at least one image. Received: shape {images.shape}"
    )


def comparable_scores(
    given: np.ndarray, wanted: np.ndarray, given_probabilities: bool, wanted_probabilities: bool
) -> tuple[str, np.ndarray, np.ndarray]:
    """Converts the scores of an export and of its model to the same kind, to logits if possible.

    Args:
        given: array (images, classes) of the export's scores.
        wanted: array of the same shape, the model's scores.
        given_probabilities: whether the export's scores are probabilities, not logits.
        wanted_probabilities: the same for the model's scores.

    Returns:
        "logits" or "probabilities", as in `Verification.scores`, and both arrays converted.
    """
    if not given_probabilities and not wanted_probabilities:
        return "logits", given, wanted
    if not given_probabilities:
        given = ops.convert_to_numpy(ops.softmax(given))
    if not wanted_probabilities:
        wanted = ops.convert_to_numpy(ops.softmax(wanted))
    if min(given.min(), wanted.min()) <= 0:
        return "probabilities", given, wanted
    logits = [np.log(np.asarray(scores, "float64")) for scores in (given, wanted)]
    given, wanted = (scores - scores.mean(axis=1, keepdims=True) for scores in logits)
    return "logits", given, wanted


def signal_to_noise(expected: npt.ArrayLike, given: npt.ArrayLike) -> float:
    """Returns the signal-to-noise ratio of scores in decibels.

    It is 10 log10 of the mean square of the expected scores over that of the differences: 30 dB are
    errors of 3 % of a typical score, 20 dB of 10 %. The ratio is infinite if all scores are equal.

    Args:
        expected: array of the model's scores.
        given: array of the same shape, the export's scores.
    """
    expected, given = np.asarray(expected, "float64"), np.asarray(given, "float64")
    noise = np.mean((expected - given) ** 2)
    return float(10 * np.log10(np.mean(expected**2) / noise)) if noise else float("inf")


def _acceleration(gpu: GpuAccelerator, given: np.ndarray, images: np.ndarray) -> Acceleration:
    """Compares the scores that an accelerator gave with those of the CPU."""
    on_cpu = _in_batches(load_tflite(gpu.path), images, gpu.path)
    taken, left = gpu.operations()
    return Acceleration(
        adapter=gpu.adapter,
        is_software=gpu.is_software,
        taken=taken,
        left=left,
        reasons=gpu.reasons,
        errors=gpu.errors(),
        agreement=float(np.mean(given.argmax(axis=1) == on_cpu.argmax(axis=1))),
        signal_to_noise=signal_to_noise(on_cpu, given),
    )


def _in_batches(classifier: Classifier, images: np.ndarray, path: Path) -> np.ndarray:
    starts = range(0, len(images), _BATCH)
    scores = np.concatenate(
        [np.asarray(classifier(images[start : start + _BATCH])) for start in starts]
    )
    # NaN would be class 0 of both, and agree.
    check_finite_scores(scores, path)
    return scores
