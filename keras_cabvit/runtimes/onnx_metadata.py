"""Statements of an .onnx file about its images, its scores and its classes.

They are entries of the file's `metadata_props`, which onnxruntime, OpenVINO and ONNX's own library
read: those that ONNX defines for images, under their names there, and three of this project.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keras_cabvit.data.labels import LABELS, label_lines, labels_text
from keras_cabvit.runtimes.stated_crop import CROP_FILE, crop_statement, stated_crop

# This project's entries are this one, and LABELS and CROP_FILE, whose contents are those of the
# files with these names in the other exports.
SCORES = "scores"
# ONNX's names and values (docs/MetadataProps.md of ONNX).
PIXEL_FORMAT = "Image.BitmapPixelFormat"
PIXEL_RANGE = "Image.NominalPixelRange"
COLOR_SPACE = "Image.ColorSpaceGamma"
WHOLE_RANGE = "NominalRange_0_255"
AUTHOR = "model_author"
LICENSE = "model_license"


@dataclass(frozen=True)
class OnnxMetadata:
    """Statements of an .onnx file.

    Attributes:
        labels: tuple of strings, the names of the classes; None without names.
        crop: side of the centre crop in evaluation, as a share of the image; None if not stated.
        gives_probabilities: whether the scores are probabilities (True) or logits (False); None if
            not stated.
        states_range: whether the file says that its pixels are in [0, 255].
    """

    labels: tuple[str, ...] | None
    crop: float | None
    gives_probabilities: bool | None
    states_range: bool


def image_statements(
    shape: Sequence[int], crop: float, scores: str, labels: Sequence[str] | None
) -> dict[str, str]:
    """Returns the entries of an export.

    Args:
        shape: (height, width, channels) of the model's images.
        crop: side of the centre crop in evaluation, as a share of the image.
        scores: "probabilities" or "logits".
        labels: strings, or None.
    """
    height, width, channels = shape
    found = {
        CROP_FILE: crop_statement((height, width), crop),
        PIXEL_RANGE: WHOLE_RANGE,
        COLOR_SPACE: "SRGB",
        SCORES: scores,
    }
    if pixel_format := _pixel_format(channels):
        found[PIXEL_FORMAT] = pixel_format
    if labels is not None:
        found[LABELS] = labels_text(labels)
    return found


def read_statements(
    entries: Mapping[str, str], path: str | os.PathLike[str], shape: Sequence[int | None]
) -> OnnxMetadata:
    """Reads the entries of a file.

    Args:
        entries: dict from names to texts.
        path: path of the file, for messages.
        shape: (height, width, channels) of the model's images; None for a side of any size.

    Raises:
        ValueError: an entry is damaged, absurd, or asks for other pixels than RGB in [0, 255].
    """
    accepted = {PIXEL_RANGE: WHOLE_RANGE, PIXEL_FORMAT: _pixel_format(shape[-1])}
    for name, value in accepted.items():
        if value is not None and entries.get(name, value) != value:
            raise ValueError(
                f"{path} must take pixels in [0, 255], red before green before blue: "
                f"{name}={value} in its metadata. It has {name}={entries[name]}."
            )
    crop, labels = entries.get(CROP_FILE), entries.get(LABELS)
    return OnnxMetadata(
        labels=None if labels is None else tuple(label_lines(labels)),
        crop=None if crop is None else stated_crop(crop.encode(), path, shape),
        gives_probabilities={"probabilities": True, "logits": False}.get(entries.get(SCORES, "")),
        states_range=PIXEL_RANGE in entries,
    )


def _pixel_format(channels: int | None) -> str | None:
    return {1: "Gray8", 3: "Rgb8"}.get(channels or 0)
