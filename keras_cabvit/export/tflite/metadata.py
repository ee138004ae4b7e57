"""What a .tflite file says about itself, in the form that MediaPipe and Android read.

The format is TensorFlow Lite's metadata (metadata_schema.fbs, identifier M001): a second
flatbuffer in a buffer of the first, and files in a ZIP archive at the end. It is written with the
flatbuffers package alone, because the one package that brings the schema in Python is MediaPipe,
which with OpenCV takes 340 MB and five seconds to import; the tests read it with MediaPipe.
"""

import io
import zipfile
from dataclasses import dataclass

import numpy as np

from keras_cabvit.export.tflite.flatbuffer import pack, unpack

LABELS = "labels.txt"
_BUFFER_NAME = b"TFLITE_METADATA"
_IDENTIFIER = b"M001"
# Values of the schema's enumerations and unions.
_TENSOR_AXIS_LABELS = 2
_RGB, _GRAYSCALE = 1, 2
_FEATURE_PROPERTIES, _IMAGE_PROPERTIES = 1, 2
_NORMALIZATION_OPTIONS = 1
# The version of the schema that has all that is written here.
_OLDEST_READER = "1.0.0"


@dataclass(frozen=True)
class Metadata:
    """What a .tflite file says about its model; nothing of it changes what the model gives.

    Attributes:
        name: string. None, the default, is the name of the Keras model.
        description: string, what it tells apart and what it was trained on.
        version: string, of the model.
        author: string.
        license: string, such as "Apache-2.0", of the weights.
    """

    name: str | None = None
    description: str = "Image classifier"
    version: str = "1"
    author: str = ""
    license: str = ""


def with_metadata(content, metadata, labels):
    """Adds metadata to a model that takes one image and gives one score a class.

    Args:
        content: bytes of a .tflite file with one signature of one input and one output.
        metadata: `Metadata` with a name.
        labels: list of strings, or None.

    Returns:
        The bytes of the changed file.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(content)
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    (image,), (scores,) = signature.inputs, signature.outputs
    entry = schema.MetadataT()
    entry.name = _BUFFER_NAME
    entry.buffer = len(model.buffers)
    buffer = schema.BufferT()
    buffer.data = _metadata_flatbuffer(
        metadata,
        image.name.decode(),
        graph.tensors[image.tensorIndex].shape,
        scores.name.decode(),
        labels is not None,
    )
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]
    model.description = metadata.description.encode()
    file = io.BytesIO(pack(model))
    if labels is not None:
        file.seek(0, io.SEEK_END)
        with zipfile.ZipFile(file, "a") as archive:
            # The same bytes for the same model: without the time of writing.
            archive.writestr(zipfile.ZipInfo(LABELS), "\n".join(labels) + "\n")
    return file.getvalue()


def embedded_labels(path):
    """Returns the list of labels that a .tflite file holds, or None without any.

    Args:
        path: of the file.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        if LABELS not in archive.namelist():
            return None
        return archive.read(LABELS).decode().splitlines()


def _metadata_flatbuffer(metadata, image_name, image_shape, scores_name, has_labels):
    """Returns the bytes of the schema's ModelMetadata."""
    write = _Writer()
    _, height, width, channels = (int(side) for side in image_shape)

    size = write.table(2, integers={0: width, 1: height})
    properties = write.table(
        2, bytes_={0: _RGB if channels == 3 else _GRAYSCALE}, offsets={1: size}
    )
    content = write.table(2, bytes_={0: _IMAGE_PROPERTIES}, offsets={1: properties})
    # Pixels go in as they are: the model normalises them itself.
    normalization = write.table(2, offsets={0: write.floats([0.0]), 1: write.floats([1.0])})
    unit = write.table(2, bytes_={0: _NORMALIZATION_OPTIONS}, offsets={1: normalization})
    stats = write.table(2, offsets={0: write.floats([255.0]), 1: write.floats([0.0])})
    image = write.table(
        7,
        offsets={
            0: write.text(image_name),
            1: write.text("Pixels in [0, 255], row by row."),
            3: content,
            4: write.vector([unit]),
            5: stats,
        },
    )

    properties = write.table(0)
    content = write.table(2, bytes_={0: _FEATURE_PROPERTIES}, offsets={1: properties})
    about_scores = {
        0: write.text(scores_name),
        1: write.text("One score for each class, in the order of the labels."),
        3: content,
    }
    if scores_name == "probabilities":
        about_scores[5] = write.table(2, offsets={0: write.floats([1.0]), 1: write.floats([0.0])})
    if has_labels:
        file = write.table(
            5,
            bytes_={2: _TENSOR_AXIS_LABELS},
            offsets={0: write.text(LABELS), 1: write.text("Names of the classes, one a line.")},
        )
        about_scores[6] = write.vector([file])
    scores = write.table(7, offsets=about_scores)

    graph = write.table(10, offsets={2: write.vector([image]), 3: write.vector([scores])})
    return write.finish(
        write.table(
            8,
            offsets={
                0: write.text(metadata.name),
                1: write.text(metadata.description),
                2: write.text(metadata.version),
                3: write.vector([graph]),
                4: write.text(metadata.author),
                5: write.text(metadata.license),
                7: write.text(_OLDEST_READER),
            },
        )
    )


class _Writer:
    """Writes flatbuffer tables whose fields are given by their places in the schema."""

    def __init__(self):
        import flatbuffers

        self._builder = flatbuffers.Builder(1024)

    def text(self, value):
        return self._builder.CreateString(value)

    def floats(self, values):
        return self._builder.CreateNumpyVector(np.asarray(values, "float32"))

    def vector(self, offsets):
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return self._builder.EndVector()

    def table(self, fields, offsets=None, integers=None, bytes_=None):
        self._builder.StartObject(fields)
        for place, value in (offsets or {}).items():
            self._builder.PrependUOffsetTRelativeSlot(place, value, 0)
        for place, value in (integers or {}).items():
            self._builder.PrependUint32Slot(place, value, 0)
        for place, value in (bytes_ or {}).items():
            self._builder.PrependUint8Slot(place, value, 0)
        return self._builder.EndObject()

    def finish(self, root):
        self._builder.Finish(root, _IDENTIFIER)
        return bytes(self._builder.Output())
