"""Statements of a .tflite file about its input and output, read as MediaPipe reads them.

The format is TensorFlow Lite's metadata (metadata_schema.fbs, identifier M001): a second
flatbuffer in a buffer of the first, and files in a ZIP archive at the end of the file.
"""

import os
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_cabvit.data.labels import LABELS, labels_in
from keras_cabvit.runtimes.stated_crop import CROP_FILE

BUFFER_NAME = b"TFLITE_METADATA"
IDENTIFIER = b"M001"
# The schema's tables: their fields in order, with types. A union has two fields, kind and value.
TABLES: dict[str, dict[str, str]] = {
    "ModelMetadata": {
        "name": "text",
        "description": "text",
        "version": "text",
        "subgraph_metadata": "tables SubGraphMetadata",
        "author": "text",
        "license": "text",
        "associated_files": "tables AssociatedFile",
        "min_parser_version": "text",
    },
    "SubGraphMetadata": {
        "name": "text",
        "description": "text",
        "input_tensor_metadata": "tables TensorMetadata",
        "output_tensor_metadata": "tables TensorMetadata",
    },
    "TensorMetadata": {
        "name": "text",
        "description": "text",
        "dimension_names": "tables",
        "content": "table Content",
        "process_units": "tables ProcessUnit",
        "stats": "table Stats",
        "associated_files": "tables AssociatedFile",
    },
    "Content": {"content_properties_type": "uint8", "content_properties": "table"},
    "FeatureProperties": {},
    "ImageProperties": {"color_space": "uint8", "default_size": "table ImageSize"},
    "ImageSize": {"width": "uint32", "height": "uint32"},
    "ProcessUnit": {"options_type": "uint8", "options": "table NormalizationOptions"},
    "NormalizationOptions": {"mean": "floats", "std": "floats"},
    "Stats": {"max": "floats", "min": "floats"},
    "AssociatedFile": {
        "name": "text",
        "description": "text",
        "type": "uint8",
        "locale": "text",
    },
}
# Values of the schema's enumerations and unions.
TENSOR_AXIS_LABELS = 2
TENSOR_VALUE_LABELS = 3
NORMALIZATION_OPTIONS = 1
_SCORE_CALIBRATION_OPTIONS = 2
_SCORE_THRESHOLDING_OPTIONS = 3


@dataclass(frozen=True)
class TFLiteMetadata:
    """Statements of a .tflite file about its input and output.

    Attributes:
        mean: tuple of floats, one for all channels or one per channel; None without a statement.
        std: the same. An app feeds float inputs with `(pixels - mean) / std`.
        labels: tuple of strings, the names of the classes; None without names.
        crop_statement: bytes of the file that `stated_crop` reads; None without one.
        calibrates: whether apps recalibrate the scores.
        thresholds: whether apps drop low scores.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    labels: tuple[str, ...] | None = None
    crop_statement: bytes | None = None
    calibrates: bool = False
    thresholds: bool = False


def read_metadata(path: str | os.PathLike[str]) -> TFLiteMetadata:
    """Reads the metadata of a .tflite file with one input and one output.

    Args:
        path: path of the file.

    Returns:
        `TFLiteMetadata`. Without metadata nothing is stated, but for the names in a `labels.txt` in
        the file's archive.

    Raises:
        ValueError: the metadata is damaged, contradicts itself, or describes several inputs or
            outputs.
    """
    try:
        stated = _model_metadata(path)
    except Exception as error:  # the errors of a damaged flatbuffer have no common class
        raise ValueError(f"The metadata of {path} is damaged: {error}") from error
    graph = (stated.get("subgraph_metadata") or [{}])[0]  # the others are functions that it calls
    image, scores = (_only(path, graph, f"{end}put_tensor_metadata") for end in ("in", "out"))
    mean, std = _normalization(path, image)
    kinds = {unit.get("options_type") for unit in scores.get("process_units", ())}
    return TFLiteMetadata(
        mean,
        std,
        _labels(path, scores),
        _crop_statement(path, stated),
        calibrates=_SCORE_CALIBRATION_OPTIONS in kinds,
        thresholds=_SCORE_THRESHOLDING_OPTIONS in kinds,
    )


def _model_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the content of the flatbuffer in nested dicts; an empty one without metadata."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers.encode import Get
    from flatbuffers.number_types import UOffsetTFlags
    from flatbuffers.table import Table

    with open(path, "rb") as file:
        model = schema.Model.GetRootAs(file.read(), 0)
    for entry in (model.Metadata(place) for place in range(model.MetadataLength())):
        if entry.Name() == BUFFER_NAME:
            content = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
            root = Get(UOffsetTFlags.packer_type, content, 0)
            return _values(Table(content, root), "ModelMetadata")
    return {}


def _values(table: Any, name: str) -> dict[str, Any]:
    """Returns the fields that a table sets."""
    from flatbuffers.number_types import Float32Flags, Uint8Flags, Uint32Flags
    from flatbuffers.table import Table

    found: dict[str, Any] = {}
    for place, (field, kind) in enumerate(TABLES[name].items()):
        offset = table.Offset(4 + 2 * place)
        if not offset:
            continue
        at = table.Pos + offset
        sort, _, inner = kind.partition(" ")
        if sort == "text":
            found[field] = table.String(at).decode()
        elif sort == "floats":
            found[field] = tuple(table.GetVectorAsNumpy(Float32Flags, offset).tolist())
        elif sort == "uint8":
            found[field] = table.Get(Uint8Flags, at)
        elif sort == "uint32":
            found[field] = table.Get(Uint32Flags, at)
        elif sort == "table" and inner:
            if found.get("options_type", NORMALIZATION_OPTIONS) == NORMALIZATION_OPTIONS:
                found[field] = _values(Table(table.Bytes, table.Indirect(at)), inner)
        elif sort == "tables" and inner:
            first, count = table.Vector(offset), table.VectorLen(offset)
            found[field] = [
                _values(Table(table.Bytes, table.Indirect(first + 4 * number)), inner)
                for number in range(count)
            ]
    return found


def _only(path: str | os.PathLike[str], graph: dict[str, Any], field: str) -> dict[str, Any]:
    tensors = graph.get(field) or [{}]
    if len(tensors) != 1:
        raise ValueError(
            f"The metadata of {path} must describe one input and one output. It describes "
            f"{len(tensors)} {'inputs' if field.startswith('in') else 'outputs'}."
        )
    return tensors[0]


def _normalization(
    path: str | os.PathLike[str], image: dict[str, Any]
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    units = [
        unit["options"]
        for unit in image.get("process_units", ())
        if unit.get("options_type") == NORMALIZATION_OPTIONS
    ]
    if not units:
        return None, None
    mean, std = units[0].get("mean", ()), units[0].get("std", ())
    if (
        len(units) > 1
        or not mean
        or len(mean) != len(std)
        or not np.all(np.isfinite([*mean, *std]))
    ):
        raise ValueError(
            f"The metadata of {path} must state one mean and one standard deviation of its pixels, "
            f"for all channels or per channel. It states {mean} and {std}."
        )
    if 0 in std:
        raise ValueError(
            f"The metadata of {path} must state standard deviations other than 0. It states {std}."
        )
    return mean, std


def _labels(path: str | os.PathLike[str], scores: dict[str, Any]) -> tuple[str, ...] | None:
    """Returns the labels that the metadata names, in the language that is the default."""
    files = scores.get("associated_files", ())
    if any(file.get("type") == TENSOR_VALUE_LABELS for file in files):
        raise ValueError(
            f"{path} must give one score per class. According to its metadata its output holds the "
            "numbers of classes."
        )
    named = [file for file in files if file.get("type") == TENSOR_AXIS_LABELS]
    named.sort(key=lambda file: bool(file.get("locale")))  # stable: the first of a kind remains so
    name = named[0].get("name", "") if named else LABELS
    content = _archived(path, name)
    if content is None:
        if named:
            raise ValueError(f"{path} must contain its labels: its metadata names the file {name}.")
        return None
    return tuple(labels_in(content, path))


def _crop_statement(path: str | os.PathLike[str], stated: dict[str, Any]) -> bytes | None:
    """Returns the file that states the crop in evaluation, or None if the metadata names none."""
    if all(file.get("name") != CROP_FILE for file in stated.get("associated_files", ())):
        return None
    content = _archived(path, CROP_FILE)
    if content is None:
        raise ValueError(
            f"{path} is damaged: its metadata names the file {CROP_FILE}, and it must contain it. "
            "Export the model again."
        )
    return content


def _archived(path: str | os.PathLike[str], name: str) -> bytes | None:
    """Returns a file of the archive at the end of a .tflite file, or None if it has no such."""
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name) if name in archive.namelist() else None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ValueError(f"{name} in {path} is damaged: {error}") from error
