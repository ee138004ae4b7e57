"""Export to a SavedModel directory for TF Serving."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_cabvit.atomic_files import temporary_path
from keras_cabvit.data.crops import check_crop, evaluation_crop
from keras_cabvit.data.decoding.image_header import MAX_MEGAPIXELS
from keras_cabvit.data.image_bytes import check_max_megapixels
from keras_cabvit.data.labels import read_labels
from keras_cabvit.export.options import check_choice, warns_of_pixels
from keras_cabvit.export.saved_model.forms import (
    BFLOAT16_CLASSES,
    FLOAT32_CLASSES,
    FROZEN_FLOAT32_CLASSES,
)
from keras_cabvit.export.saved_model.image_bytes import pixels_and_status
from keras_cabvit.export.saved_model.warmup import write_warmup_requests
from keras_cabvit.export.signatures import (
    class_count,
    classifier_output_name,
    computing_layers,
    inference_form,
    pixel_functions,
    write_functions,
)
from keras_cabvit.export.tensorflow_process import exports_with_tensorflow
from keras_cabvit.inference import can_be_fused
from keras_cabvit.layers.numpy_arguments import as_python, is_positive_integer
from keras_cabvit.ops import is_half
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.stated_crop import crop_statement
from keras_cabvit.signals import raise_lost_interruption

TOP = 5
PRECISIONS = ("float32", "bfloat16")


@warns_of_pixels
@exports_with_tensorflow
def to_saved_model(
    model: keras.Model,
    path: str | os.PathLike[str],
    labels: Sequence[str] | str | os.PathLike[str] | None = None,
    crop: float | None = None,
    max_megapixels: float = MAX_MEGAPIXELS,
    batch_sizes: Sequence[int] = (1, 2, 4, 8),
    classifier_activation: str | None = None,
    precision: str | None = None,
    frozen_weights: bool = False,
) -> Path:
    """Writes the model as the next version of a servable, completely or not at all.

    TF Serving looks for numbered directories and serves the highest. The export is the fused model,
    with signatures for any batch size:

    - `serving_default` takes `image`, uint8 (batch, height, width, channels), and `serving_float`
      the same as float32 in 0..255. Both give `probabilities`, or `logits` if the model ends
      without an activation. A model of two classes with one sigmoid unit gives the probabilities of
      both.
    - `serving_bytes`, for classifiers of RGB images, takes `image_bytes`, the contents of JPEG,
      PNG, WebP, GIF or BMP files (batch,), and resizes and crops as evaluation does. It gives the
      five most probable `classes`, int32 (batch, 5), their `labels` and `scores`, which are always
      probabilities; and `status`, strings (batch,): empty, or the reason why an image could not be
      read. Such an image has scores of zero and does not affect other images.

    The labels are also in `assets/labels.txt`, and the image size and crop in
    `assets/evaluation_transform.json`: `open_model`, and with it `cabvit predict`, takes the crop
    from there.

    Args:
        model: model with one image input, from this library or any that ends in a classifier.
        path: directory of the servable; the export is written to `path/1`, or the next number.
        labels: names of the classes in their order, or the path of a text file with one name per
            line. None, the default, numbers the classes.
        crop: float, side of the centre crop in the model's evaluation, as a share of the image; 1
            resizes the whole image. `serving_bytes` crops so, and the export records it. None, the
            default, is the authors' crop: 0.875 below 384 pixels, else 1.
        max_megapixels: number; larger images are not decoded. Defaults to 64; `math.inf` is no
            limit.
        batch_sizes: integers, batch sizes of the warm-up requests: those to which TF Serving pads
            batches (`allowed_batch_sizes`). Defaults to (1, 2, 4, 8); () writes no requests.
        classifier_activation: "softmax", "linear" or "sigmoid", for a model that ends in a layer of
            your own, which may give probabilities or logits. None, the default, determines it from
            the model.
        precision: "float32" or "bfloat16", in which the weights are stored and most operations are
            computed (see `keras_cabvit.inference.fuse`); pixels and scores are the same. None, the
            default, is the precision of the model.
        frozen_weights: whether the weights are constants of the graph instead of variables, which
            lets TensorFlow arrange them for the processor once instead of in every call. Loading
            then takes several times the memory, and every signature that is called holds a copy.
            In float32, queries, keys and values are also computed head by head and LayerNorm by
            one operation, which is faster with oneDNN and slower without. Defaults to False.

    Returns:
        The path of the numbered directory.

    Raises:
        ImportError: TensorFlow is not installed, or tensorflow-serving-api for warm-up requests.
        ValueError: `path` is a file, the model does not have exactly one image input and one
            classifier, or an argument is wrong.
        FileNotFoundError: there is no file of labels at `labels`.

    Warns:
        UserWarning: the model does not normalise its pixels itself, as one built with
            `include_preprocessing=False`.

    Example:
        >>> import tempfile
        >>> model = keras_cabvit.CabViTH(
        ...     embed_dims=(8, 16, 32, 64), depths=(1, 1, 2, 1), num_heads=(1, 2),
        ...     input_shape=(64, 64, 3), classes=10)
        >>> version = keras_cabvit.export.to_saved_model(model, tempfile.mkdtemp())
        >>> version.name
        '1'
    """
    import tensorflow as tf

    path = local_path(path)
    if path.is_file():
        raise ValueError(f"`path` must be a directory, and there is a file at {path}.")
    output_name = classifier_output_name(model, classifier_activation)
    batch_sizes = as_python(tuple(batch_sizes))
    _check_options(crop, max_megapixels, batch_sizes)
    size, channels = model.input_shape[1:3], model.input_shape[-1]
    crop = evaluation_crop(size) if crop is None else crop
    reads_files = channels == 3 and len(model.output_shape) == 2
    if reads_files:
        labels = read_labels(labels, class_count(model))
    elif labels is not None:
        raise ValueError(
            "`labels` are for classifiers of RGB images. Received: a model from "
            f"{model.input_shape} to {model.output_shape}"
        )
    model = _in_precision(model, precision, frozen_weights)
    functions = pixel_functions(
        model,
        {"serving_default": "uint8", "serving_float": "float32"},
        output_name,
        frozen_weights=frozen_weights,
    )
    grey = np.full((*size, channels), 127)
    inputs = {
        "serving_default": ("image", grey.astype("uint8")),
        "serving_float": ("image", grey.astype("float32")),
    }
    if reads_files:
        functions["serving_bytes"] = _bytes_function(
            functions["serving_default"], output_name, labels, size, crop, max_megapixels
        )
        file = tf.io.encode_jpeg(grey.astype("uint8")).numpy()
        inputs["serving_bytes"] = ("image_bytes", file)

    # The name is no number, so that TF Serving ignores it.
    with temporary_path(path / "version", named=path) as partial:
        variables = [] if frozen_weights else model.variables
        write_functions(variables, functions, partial, labels, crop_statement(size, crop))
        if batch_sizes:
            write_warmup_requests(partial, path.resolve().name, inputs, batch_sizes)
        return _placed(partial, path)


def _in_precision(model: keras.Model, precision: str | None, frozen_weights: bool) -> keras.Model:
    """Returns the inference form of a model in a precision of `PRECISIONS`, or its own."""
    inference_classes = FROZEN_FLOAT32_CLASSES if frozen_weights else FLOAT32_CLASSES
    if precision is None:
        dtypes = {layer.compute_dtype for layer in computing_layers(model)}
        if "float64" in dtypes:
            inference_classes = FLOAT32_CLASSES  # the operations of frozen weights do not take it
        if any(map(is_half, dtypes)):
            return inference_form(model)
        return inference_form(model, inference_classes=inference_classes)
    check_choice("precision", precision, PRECISIONS)
    if not can_be_fused(model):
        raise ValueError(
            f"The model '{model.name}' has no layers of this library, and only these can be "
            "exported in another precision than their own. Leave `precision` out."
        )
    if precision == "bfloat16":
        inference_classes = BFLOAT16_CLASSES
    return inference_form(model, dtype=precision, inference_classes=inference_classes)


def _placed(partial: Path, servable: Path) -> Path:
    """Renames a written version to the next number, and returns its path.

    The number is taken only now: another process may have exported in the meantime.
    """
    raise_lost_interruption()
    while True:
        versions = [int(entry.name) for entry in servable.iterdir() if entry.name.isdecimal()]
        version = servable / str(1 + max(versions, default=0))
        try:
            os.rename(partial, version)  # fails if there is a folder that is not empty
            return version
        except OSError:
            if not version.exists():
                raise


def _check_options(crop: float | None, max_megapixels: float, batch_sizes: Sequence[int]) -> None:
    check_crop(crop)
    check_max_megapixels(max_megapixels)
    if not all(map(is_positive_integer, batch_sizes)):
        raise ValueError(
            f"`batch_sizes` must be positive integers. Received: batch_sizes={batch_sizes}"
        )


def _bytes_function(
    from_pixels: Callable[..., Any],
    output_name: str,
    labels: Sequence[str] | None,
    size: Sequence[int],
    crop: float,
    max_megapixels: float,
) -> Callable[..., Any]:
    """Creates the function from image files to the most probable classes."""
    import tensorflow as tf

    def classify(image_bytes: Any) -> dict[str, Any]:
        pixels, status = pixels_and_status(image_bytes, size, crop, max_megapixels)
        scores = from_pixels(pixels)[output_name]
        if output_name == "logits":
            scores = tf.nn.softmax(scores)
        scores, classes = tf.math.top_k(scores, min(TOP, scores.shape[-1]))
        names = tf.strings.as_string(classes) if labels is None else tf.gather(labels, classes)
        read = (status == "")[:, None]
        return {
            "classes": classes,
            "labels": tf.where(read, names, ""),
            "scores": tf.where(read, scores, 0.0),
            "status": status,
        }

    signature = [tf.TensorSpec((None,), tf.string, name="image_bytes")]
    return tf.function(classify, signature, autograph=False)
