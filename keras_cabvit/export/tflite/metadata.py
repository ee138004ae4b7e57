"""Metadata of a .tflite file, in the format that MediaPipe and Android read.

The format is that of `keras_cabvit.runtimes.tflite_metadata`. It is written with the flatbuffers
package only: the only Python package with the schema is MediaPipe, which with OpenCV takes 340 MB
and five seconds to import. The tests read the metadata with MediaPipe.
"""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cabvit.data.labels import LABELS, labels_text
from keras_cabvit.export.metadata import Metadata
from keras_cabvit.export.tflite.flatbuffer import pack, unpack
from keras_cabvit.runtimes.stated_crop import CROP_FILE, crop_statement
from keras_cabvit.runtimes.tflite_metadata import (
    BUFFER_NAME,
    IDENTIFIER,
    NORMALIZATION_OPTIONS,
    TABLES,
    TENSOR_AXIS_LABELS,
)

# The first version of the schema that has every field below.
_OLDEST_READER = "1.0.0"
# Values of the schema's enumerations and unions.
_RGB, _GRAYSCALE = 1, 2
_FEATURE_PROPERTIES, _IMAGE_PROPERTIES = 1, 2
_DESCRIPTIONS = 1


def with_metadata(
    content: bytes, metadata: Metadata, labels: Sequence[str] | None, crop: float | None
) -> bytes:
    """Adds metadata to a model that takes one image and gives one score per class.

    Args:
        content: bytes of a .tflite file with one signature of one input and one output.
        metadata: `Metadata` with a name.
        labels: list of strings, or None.
        crop: side of the centre crop in evaluation, as a share of the image; None states none.

    Returns:
        The bytes of the changed file.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(content)
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    (image,), (scores,) = signature.inputs, signature.outputs
    entry: Any = schema.MetadataT()
    entry.name = BUFFER_NAME
    entry.buffer = len(model.buffers)
    buffer: Any = schema.BufferT()
    image_shape = graph.tensors[image.tensorIndex].shape
    buffer.data = _metadata_flatbuffer(
        metadata,
        image.name.decode(),
        image_shape,
        scores.name.decode(),
        has_labels=labels is not None,
        has_statement=crop is not None,
    )
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]
    model.description = metadata.description.encode()
    file = io.BytesIO(pack(model))
    files = {}
    if labels is not None:
        files[LABELS] = labels_text(labels)
    if crop is not None:
        files[CROP_FILE] = crop_statement(image_shape[1:3], crop)
    if files:
        file.seek(0, io.SEEK_END)
        with zipfile.ZipFile(file, "a") as archive:
            for name, text in files.items():
                # Without timestamps, so that the same model gives the same bytes.
                archive.writestr(zipfile.ZipInfo(name), text)
    return file.getvalue()


def _metadata_flatbuffer(
    metadata: Metadata,
    image_name: str,
    image_shape: Sequence[int],
    scores_name: str,
    has_labels: bool,
    has_statement: bool,
) -> bytes:
    """Returns the bytes of the schema's ModelMetadata."""
    write = _Writer()
    _, height, width, channels = (int(side) for side in image_shape)
    properties = write.table(
        "ImageProperties",
        color_space=_RGB if channels == 3 else _GRAYSCALE,
        default_size=write.table("ImageSize", width=width, height=height),
    )
    # The model normalises its pixels itself.
    normalization = write.table("NormalizationOptions", mean=[0.0], std=[1.0])
    image = write.table(
        "TensorMetadata",
        name=image_name,
        description="Pixels in [0, 255], row by row.",
        content=write.table(
            "Content", content_properties_type=_IMAGE_PROPERTIES, content_properties=properties
        ),
        process_units=[
            write.table("ProcessUnit", options_type=NORMALIZATION_OPTIONS, options=normalization)
        ],
        stats=write.table("Stats", max=[255.0], min=[0.0]),
    )

    optional: dict[str, Any] = {}
    if scores_name == "probabilities":
        optional["stats"] = write.table("Stats", max=[1.0], min=[0.0])
    if has_labels:
        optional |= _associated_file(
            write, LABELS, "Names of the classes, one per line.", TENSOR_AXIS_LABELS
        )
    scores = write.table(
        "TensorMetadata",
        name=scores_name,
        description="One score per class, in the order of the labels.",
        content=write.table(
            "Content",
            content_properties_type=_FEATURE_PROPERTIES,
            content_properties=write.table("FeatureProperties"),
        ),
        **optional,
    )

    graph = write.table(
        "SubGraphMetadata", input_tensor_metadata=[image], output_tensor_metadata=[scores]
    )
    described = {}
    if has_statement:
        described = _associated_file(
            write,
            CROP_FILE,
            "Size in pixels and centre crop of the images in evaluation.",
            _DESCRIPTIONS,
        )
    return write.finish(
        write.table(
            "ModelMetadata",
            name=metadata.name,
            description=metadata.description,
            version=metadata.version,
            subgraph_metadata=[graph],
            author=metadata.author,
            license=metadata.license,
            min_parser_version=_OLDEST_READER,
            **described,
        )
    )


def _associated_file(write: "_Writer", name: str, description: str, kind: int) -> dict[str, Any]:
    """Returns the field of a table that names one file of the archive."""
    file = write.table("AssociatedFile", name=name, description=description, type=kind)
    return {"associated_files": [file]}


class _Writer:
    """Writes the tables of `TABLES`, inner tables before those that hold them."""

    def __init__(self) -> None:
        import flatbuffers

        self._builder = flatbuffers.Builder(1024)

    def table(self, table: str, /, **values: Any) -> int:
        fields = TABLES[table]
        stored = {field: self._stored(fields[field], value) for field, value in values.items()}
        prepend = {
            "uint8": self._builder.PrependUint8Slot,
            "uint32": self._builder.PrependUint32Slot,
        }
        self._builder.StartObject(len(fields))
        for place, (field, kind) in enumerate(fields.items()):
            if field in stored:
                add = prepend.get(kind, self._builder.PrependUOffsetTRelativeSlot)
                add(place, stored[field], 0)
        return self._builder.EndObject()

    def _stored(self, kind: str, value: Any) -> Any:
        """Writes a text or a vector, and returns its offset; returns anything else unchanged."""
        if kind == "text":
            return self._builder.CreateString(value)
        if kind == "floats":
            return self._builder.CreateNumpyVector(np.asarray(value, "float32"))
        if kind.startswith("tables"):
            self._builder.StartVector(4, len(value), 4)
            for offset in reversed(value):
                self._builder.PrependUOffsetTRelative(offset)
            return self._builder.EndVector()
        return value

    def finish(self, root: int) -> bytes:
        self._builder.Finish(root, IDENTIFIER)
        return bytes(self._builder.Output())
