"""Export to a SavedModel directory, as TF Serving loads it."""

import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_cabvit.atomic_files import atomic_path
from keras_cabvit.data import evaluation_crop
from keras_cabvit.data.image_header import MAX_MEGAPIXELS
from keras_cabvit.export.classifiers import classifier_activation
from keras_cabvit.export.fuse import can_be_fused, fuse
from keras_cabvit.export.image_bytes import pixels_and_status
from keras_cabvit.export.labels import read_labels
from keras_cabvit.export.tensorflow_process import exports_with_tensorflow
from keras_cabvit.export.warmup import write_warmup_requests

TOP = 5


@exports_with_tensorflow
def saved_model(
    model, path, labels=None, crop=None, max_megapixels=MAX_MEGAPIXELS, batch_sizes=(1, 2, 4, 8)
):
    """Writes the model as the next version of a servable, whole or not at all.

    TF Serving looks for numbered directories and serves the highest. The export is the fused model,
    with signatures of any batch size:

    - `serving_default` takes `image`, uint8 (batch, height, width, channels), and `serving_float`
      the same as float32 in 0..255. Both give `probabilities`, or `logits` where the model ends
      without an activation.
    - `serving_bytes` takes `image_bytes`, the contents of JPEG, PNG, GIF or WebP files (batch,),
      and resizes and crops as evaluation does. It gives the five most probable `classes`, int32
      (batch, 5), their `labels` and `scores`, which are probabilities in any case; and `status`,
      strings (batch,): empty, or a sentence that says why an image could not be read. Such an image
      has scores of zero and disturbs no other one. It is there for classifiers of RGB images.

    Labels stand in `assets/labels.txt` too.

    Args:
        model: with one image input; of this library, or any that ends in a classifier.
        path: directory of the servable; the export goes into `path/1`, or the next number.
        labels: names of the classes in their order, or the path of a text file with a name a line.
            None, the default, numbers them.
        crop: float, side of the centre crop that `serving_bytes` takes, as a share of the image; 1
            resizes the whole image. None is as the authors evaluate: 0.875 below 384 pixels, else
            1.
        max_megapixels: number; larger images are not decoded. Defaults to 64.
        batch_sizes: integers, for which warm-up requests are written: those that TF Serving fills
            batches up to (`allowed_batch_sizes`). Defaults to (1, 2, 4, 8); () writes none.

    Returns:
        The path of the numbered directory.

    Raises:
        ImportError: TensorFlow is not installed, or tensorflow-serving-api, for warm-up requests.
        ValueError: `path` is a file, the model has not one image input and one classifier, or an
            argument is wrong.
        FileNotFoundError: there is no file of labels at `labels`.

    Example:
        >>> import tempfile
        >>> model = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3), classes=10)
        >>> version = keras_cabvit.export.saved_model(model, tempfile.mkdtemp())
        >>> version.name
        '1'
    """
    import tensorflow as tf

    path = Path(path)
    if path.is_file():
        raise ValueError(f"`path` must be a directory, and there is a file at {path}.")
    output_name = classifier_output_name(model)
    _check_options(crop, max_megapixels, batch_sizes)
    size, channels = model.input_shape[1:3], model.input_shape[-1]
    model = inference_form(model)
    functions = pixel_functions(
        model, {"serving_default": "uint8", "serving_float": "float32"}, output_name
    )
    grey = np.full((*size, channels), 127)
    inputs = {
        "serving_default": ("image", grey.astype("uint8")),
        "serving_float": ("image", grey.astype("float32")),
    }
    if channels == 3 and len(model.output_shape) == 2:
        labels = read_labels(labels, model.output_shape[-1])
        crop = evaluation_crop(size) if crop is None else crop
        functions["serving_bytes"] = _bytes_function(
            functions["serving_default"], output_name, labels, size, crop, max_megapixels
        )
        file = tf.io.encode_jpeg(grey.astype("uint8")).numpy()
        inputs["serving_bytes"] = ("image_bytes", file)
    elif labels is not None:
        raise ValueError(
            "`labels` are for classifiers of RGB images. Received: a model from "
            f"{model.input_shape} to {model.output_shape}"
        )

    path.mkdir(parents=True, exist_ok=True)
    versions = [int(entry.name) for entry in path.iterdir() if entry.name.isdigit()]
    version = path / str(1 + max(versions, default=0))
    with atomic_path(version) as partial:  # no number, so TF Serving does not look at it
        write_functions(model, functions, partial, labels)
        if batch_sizes:
            write_warmup_requests(partial, path.resolve().name, inputs, batch_sizes)
    return version


def _check_options(crop, max_megapixels, batch_sizes):
    if crop is not None and not 0 < crop <= 1:
        raise ValueError(f"`crop` must be above 0 and at most 1. Received: crop={crop}")
    if max_megapixels <= 0:
        raise ValueError(
            f"`max_megapixels` must be above 0. Received: max_megapixels={max_megapixels}"
        )
    if any(int(size) != size or size < 1 for size in batch_sizes):
        raise ValueError(
            f"`batch_sizes` must be positive integers. Received: batch_sizes={batch_sizes}"
        )


def inference_form(model, **options):
    """Returns the fused form of a model; the model itself if it has no layers to fuse.

    Args:
        model: on the TensorFlow backend.
        **options: of `fuse`.
    """
    return fuse(model, **options) if can_be_fused(model) else model


def pixel_functions(model, signatures, output_name, batch_size=None):
    """Makes functions from images to a model's scores.

    Args:
        model: on the TensorFlow backend.
        signatures: dict from a signature's name to the type of its input `image`.
        output_name: of the scores.
        batch_size: integer, or None for a dynamic one.

    Returns:
        Dict from a signature's name to a `tf.function`.
    """
    import tensorflow as tf

    def scores(image):
        count = tf.shape(image)[0]
        if batch_size is None:
            # TensorFlow's convolutions on the CPU fail on a batch of no images.
            none = tf.cast(tf.equal(count, 0), tf.int32)
            image = tf.pad(image, [[0, none], *([0, 0] for _ in model.input_shape[1:])])
        outputs = model(ops.cast(image, "float32"), training=False)
        return {output_name: outputs if batch_size else outputs[:count]}

    shape = (batch_size, *model.input_shape[1:])
    return {
        name: tf.function(scores, [tf.TensorSpec(shape, dtype, name="image")])
        for name, dtype in signatures.items()
    }


def _bytes_function(from_pixels, output_name, labels, size, crop, max_megapixels):
    """Makes the function from image files to the most probable classes."""
    import tensorflow as tf

    def classify(image_bytes):
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

    return tf.function(classify, [tf.TensorSpec((None,), tf.string, name="image_bytes")])


def write_functions(model, functions, directory, labels=None):
    """Writes functions of one model as a SavedModel.

    Args:
        model: whose variables the functions use.
        functions: dict from a signature's name to a `tf.function`.
        directory: to write.
        labels: list of strings for `assets/labels.txt`, or None.
    """
    import tensorflow as tf

    module = tf.Module()
    # Variables alone: to track the model would save its optimizer too, and Keras' own
    # ExportArchive saves every variable twice.
    module.model_variables = [variable.value for variable in model.variables]
    with tempfile.TemporaryDirectory() as folder:
        if labels is not None:
            file = Path(folder) / "labels.txt"
            file.write_text("\n".join(labels) + "\n", encoding="utf-8")
            module.labels = tf.saved_model.Asset(str(file))
        tf.saved_model.save(module, str(directory), signatures=functions)


def classifier_output_name(model):
    """Returns what a model's scores are called in an export: "probabilities" or "logits".

    Raises:
        ValueError: the model has not one image input of one size and one classifier.
    """
    activation = classifier_activation(model, f"The model '{model.name}'")
    if None in model.input_shape[1:]:
        raise ValueError(
            f"The model '{model.name}' must take images of one size to be exported. It takes "
            f"{model.input_shape[1:]}."
        )
    return "logits" if activation is keras.activations.linear else "probabilities"
