"""Export to a .tflite file for LiteRT and MediaPipe on Android."""

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_cabvit.atomic_files import atomic_path, check_writable
from keras_cabvit.data.crops import check_crop, evaluation_crop
from keras_cabvit.data.labels import read_labels
from keras_cabvit.export.metadata import Metadata
from keras_cabvit.export.options import INPUT_TYPES, check_choice, check_suffix, warns_of_pixels
from keras_cabvit.export.signatures import class_count, classifier_output_name
from keras_cabvit.export.tflite.calibration import calibration_images
from keras_cabvit.export.tflite.conversion import convert
from keras_cabvit.export.tflite.metadata import with_metadata
from keras_cabvit.inference import ATTENTION_BIASES
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes import load_tflite

CALIBRATED = ("int8-static", "int8-full")
QUANTIZATIONS = ("none", "float16", "int8", *CALIBRATED)


@warns_of_pixels
def to_tflite(
    model: keras.Model,
    path: str | os.PathLike[str],
    quantization: str = "int8",
    calibration: Any = None,
    labels: Sequence[str] | str | os.PathLike[str] | None = None,
    input_type: str = "uint8",
    crop: float | None = None,
    attention_bias: str = "stored",
    metadata: Metadata | None = None,
    classifier_activation: str | None = None,
) -> Path:
    """Writes the model as a .tflite file with built-in operations only, completely or not at all.

    Its input is one image (1, height, width, channels) with pixels in [0, 255], named `image`; its
    output float32 `probabilities`, or `logits` if the model ends without an activation. A model of
    two classes with one sigmoid unit gives the probabilities of both. Metadata that Android and
    MediaPipe's `ImageClassifier` read describe input and output.

    Args:
        model: model with one image input, from this library or any that ends in a classifier.
        path: file to write, ending in `.tflite`; an existing file is replaced.
        quantization: number format. Defaults to "int8".

            - "none" computes in float32.
            - "float16" stores weights in half the bytes and computes in float32, or in float16 on
              a GPU.
            - "int8" stores the weights of dense layers and convolutions as int8, and multiplies in
              int8. It measures the range of the activations at run time, so it needs no calibration
              images. Depthwise convolutions, normalisations and attention maps, which are a small
              part of the work, are computed in float32.
            - "int8-static" does the same with ranges from calibration images: faster, and slightly
              less accurate.
            - "int8-full" uses integers only, for NPUs and DSPs, and gives uint8 scores. It is the
              least accurate, and slow on CPUs.
        calibration: images for the last two: a folder of image files, a `tf.data.Dataset` of images
            or (images, labels), or an array (count, height, width, channels), with pixels in
            [0, 255]. Give a few hundred training images of all classes, and never test images. At
            least 16 are required; at most 256 are used.
        labels: names of the classes in their order, or the path of a text file with one name per
            line. None, the default, leaves them without names.
        input_type: type of the pixels, "uint8", the default, or "float32".
        crop: float, side of the centre crop in the model's evaluation, as a share of the image; 1
            resizes the whole image. The file records it, in every number format, and `open_model`,
            and with it `cabvit predict`, takes it from there; calibration files are cropped so.
            None, the default, records none, and crops calibration files as the authors do: 0.875
            below 384 pixels, else 1.
        attention_bias: "stored", the default, or "computed". Stored biases are expanded in the
            file, which is faster: in float16 with quantization="none", in int8 with the int8 forms.
            Computed biases are expanded from their smaller tables for each image.
        metadata: `keras_cabvit.export.Metadata`, with name, description, version, author and
            license. None, the default, gives the model's name and no author.
        classifier_activation: "softmax", "linear" or "sigmoid", for a model that ends in a layer of
            your own, which may give probabilities or logits. None, the default, determines it from
            the model.

    Returns:
        The path of the file.

    Raises:
        ImportError: TensorFlow is not installed, or litert-quantizer for "int8" and "int8-static".
        ValueError: an argument is wrong, the calibration images are unsuitable, a layer is
            quantised as `fuse` refuses, the model does not have exactly one image input and one
            classifier, the converter cannot convert it, or LiteRT cannot load the result.
        FileNotFoundError: there is no file of labels or no folder of calibration images.

    Warns:
        UserWarning: the model does not normalise its pixels itself, as one built with
            `include_preprocessing=False`.

    Example:
        >>> import tempfile
        >>> model = keras_cabvit.CabViTH(
        ...     embed_dims=(8, 16, 32, 64), depths=(1, 1, 2, 1), num_heads=(1, 2),
        ...     input_shape=(64, 64, 3), classes=10)
        >>> keras_cabvit.export.to_tflite(model, tempfile.mkdtemp() + "/model.tflite").name
        'model.tflite'
    """
    path = local_path(path)
    _check_options(quantization, input_type, attention_bias, crop, path)
    output_name = classifier_output_name(model, classifier_activation)
    check_writable(path)
    shape = model.input_shape[1:]
    labels = read_labels(labels, class_count(model))
    metadata = metadata or Metadata()
    if metadata.name is None:
        metadata = dataclasses.replace(metadata, name=model.name)
    if quantization in CALIBRATED and calibration is None:
        raise ValueError(
            f'quantization="{quantization}" takes the ranges of activations from images: give a '
            "few hundred training images as `calibration` (`--calibration`)."
        )
    with tempfile.TemporaryDirectory() as folder:
        images = None
        if quantization in CALIBRATED:
            images = Path(folder) / "images.npy"
            crop_of_files = evaluation_crop(shape[:2]) if crop is None else crop
            np.save(images, calibration_images(calibration, shape, crop_of_files))
        file = convert(
            model,
            Path(folder) / path.name,
            output_name=output_name,
            quantization=quantization,
            input_type=input_type,
            attention_bias=attention_bias,
            images=images,
        )
        content = with_metadata(file.read_bytes(), metadata, labels, crop)
        file.write_bytes(content)
        _check_that_it_loads(file)

    with atomic_path(path) as partial:
        partial.write_bytes(content)
    return path


def _check_that_it_loads(file: Path) -> None:
    """Loads the file, because a converter may write one that the runtime then rejects."""
    try:
        load_tflite(file)
    except ValueError as error:
        raise ValueError(
            "The converted model was not written, because LiteRT cannot load it. Another "
            f"`quantization` may work. LiteRT says: {error.__cause__}"
        ) from error


def _check_options(
    quantization: str, input_type: str, attention_bias: str, crop: float | None, path: Path
) -> None:
    check_choice("quantization", quantization, QUANTIZATIONS)
    check_choice("input_type", input_type, INPUT_TYPES)
    check_choice("attention_bias", attention_bias, ATTENTION_BIASES)
    if input_type != "uint8" and quantization == "int8-full":
        raise ValueError(
            'quantization="int8-full" uses integers only: `input_type` must be "uint8". '
            f"Received: input_type={input_type!r}"
        )
    check_crop(crop)
    check_suffix(path, ".tflite")
