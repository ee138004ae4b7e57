"""Export to an .onnx file for onnxruntime and OpenVINO."""

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_cabvit.atomic_files import atomic_path, check_writable
from keras_cabvit.data.crops import check_crop, evaluation_crop
from keras_cabvit.data.labels import read_labels
from keras_cabvit.export.metadata import Metadata
from keras_cabvit.export.onnx.conversion import convert
from keras_cabvit.export.options import (
    INPUT_TYPES,
    check_batch_size,
    check_choice,
    check_suffix,
    warns_of_pixels,
)
from keras_cabvit.export.signatures import class_count, classifier_output_name
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes import load_onnx
from keras_cabvit.runtimes.onnx_metadata import AUTHOR, LICENSE, image_statements


@warns_of_pixels
def to_onnx(
    model: keras.Model,
    path: str | os.PathLike[str],
    labels: Sequence[str] | str | os.PathLike[str] | None = None,
    input_type: str = "uint8",
    crop: float | None = None,
    metadata: Metadata | None = None,
    classifier_activation: str | None = None,
    batch_size: int | None = None,
) -> Path:
    """Writes the model as an .onnx file, completely or not at all.

    The file is the fused model in float32, with ONNX's own operators of version 17: onnxruntime,
    OpenVINO and other runtimes open it. Its input is `image`, (batch, height, width, channels) with
    pixels in [0, 255] and a batch of any size, unless `batch_size` is given; its output float32
    `probabilities`, or `logits` if the model ends without an activation, (batch, classes). A model
    of two classes with one sigmoid unit gives the probabilities of both. PyTorch is not needed.

    The file's `metadata_props` hold what a program must know to prepare images and name classes:
    `labels.txt`, one name per line; `evaluation_transform.json`, the image size and the centre
    crop; `scores`, "probabilities" or "logits"; and, under ONNX's own names, the order and range of
    the pixels (`Image.BitmapPixelFormat`, `Image.NominalPixelRange`), author and licence.

    Args:
        model: model with one image input, from this library or any that ends in a classifier.
        path: file to write, ending in `.onnx`; an existing file is replaced.
        labels: names of the classes in their order, or the path of a text file with one name per
            line. None, the default, leaves them without names.
        input_type: type of the pixels, "uint8", the default, or "float32".
        crop: float, side of the centre crop in the model's evaluation, as a share of the image; 1
            resizes the whole image. The file records it, and `open_model`, and with it `cabvit
            predict`, takes it from there. None, the default, is the authors' crop: 0.875 below 384
            pixels, else 1.
        metadata: `keras_cabvit.export.Metadata`, with name, description, version, author and
            license. None, the default, gives the model's name and no author.
        classifier_activation: "softmax", "linear" or "sigmoid", for a model that ends in a layer of
            your own, which may give probabilities or logits. None, the default, determines it from
            the model.
        batch_size: integer, the number of images that the file takes at a time. OpenVINO is then
            faster, onnxruntime is not (docs/onnx.md). None, the default, is any number.

    Returns:
        The path of the file.

    Raises:
        ImportError: TensorFlow, tf2onnx or onnxruntime is not installed.
        ValueError: an argument is wrong, a layer is quantised as `fuse` refuses or computes in half
            precision, the model does not have exactly one image input and one classifier, tf2onnx
            cannot convert it, or onnxruntime cannot load the result.
        FileNotFoundError: there is no file of labels.

    Warns:
        UserWarning: the model does not normalise its pixels itself, as one built with
            `include_preprocessing=False`.

    Example:
        >>> import tempfile
        >>> model = keras_cabvit.CabViTH(
        ...     embed_dims=(8, 16, 32, 64), depths=(1, 1, 2, 1), num_heads=(1, 2),
        ...     input_shape=(64, 64, 3), classes=10)
        >>> keras_cabvit.export.to_onnx(model, tempfile.mkdtemp() + "/model.onnx").name
        'model.onnx'
    """
    path = local_path(path)
    check_choice("input_type", input_type, INPUT_TYPES)
    check_crop(crop)
    check_batch_size(batch_size)
    check_suffix(path, ".onnx")
    output_name = classifier_output_name(model, classifier_activation)
    check_writable(path)
    shape = model.input_shape[1:]
    labels = read_labels(labels, class_count(model))
    entries = image_statements(
        shape, evaluation_crop(shape[:2]) if crop is None else crop, output_name, labels
    )
    with tempfile.TemporaryDirectory() as folder:
        file = convert(
            model,
            Path(folder) / path.name,
            output_name=output_name,
            input_type=input_type,
            batch_size=batch_size,
        )
        _describe(file, metadata or Metadata(), model.name, entries)
        _check_that_it_loads(file)
        content = file.read_bytes()

    with atomic_path(path) as partial:
        partial.write_bytes(content)
    return path


def _describe(file: Path, metadata: Metadata, name: str, entries: dict[str, str]) -> None:
    """Writes descriptions into a file."""
    import onnx

    content = onnx.load(file)
    content.graph.name = metadata.name or name
    content.doc_string = metadata.description
    content.producer_name = "keras_cabvit"
    stated = {"version": metadata.version, AUTHOR: metadata.author, LICENSE: metadata.license}
    onnx.helper.set_model_props(
        content, entries | {key: value for key, value in stated.items() if value}
    )
    onnx.save(content, file)


def _check_that_it_loads(file: Path) -> None:
    """Loads the file, because a converter may write one that the runtime then rejects."""
    try:
        load_onnx(file)
    except ValueError as error:
        said = str(error.__cause__ or error)
        if missing := re.search(r"No Op registered for (\w+)", said):
            raise ValueError(
                f"The model cannot be exported: its operation {missing[1]} is not one of ONNX's, "
                "and tf2onnx does not convert it. Nothing was written."
            ) from error
        raise ValueError(
            "The converted model was not written, because onnxruntime cannot load it. It says: "
            f"{said}"
        ) from error
