"""`cabvit export`: exports a trained model for TF Serving, for Android or as ONNX."""

import contextlib
import dataclasses
import sys
import warnings

from keras_cabvit.commands.arguments import path_argument
from keras_cabvit.commands.source_model import crop_of, keras_file, labels_of
from keras_cabvit.commands.text_table import one_line
from keras_cabvit.data.decoding.image_header import MAX_MEGAPIXELS
from keras_cabvit.export import Metadata, to_onnx, to_saved_model, to_tflite
from keras_cabvit.export.options import INPUT_TYPES
from keras_cabvit.export.saved_model import PRECISIONS
from keras_cabvit.export.tflite import ATTENTION_BIASES, QUANTIZATIONS
from keras_cabvit.runtimes.classifier_activation import ACTIVATIONS
from keras_cabvit.runtimes.reading import read_keras_model
from keras_cabvit.runtimes.size_on_disk import size_on_disk
from keras_cabvit.weights import resized_model


def add(commands):
    """Adds the command to a parser's subcommands."""
    export = commands.add_parser("export", help="export a trained .keras model")
    forms = export.add_subparsers(dest="form", required=True, metavar="FORM")

    servable = forms.add_parser("saved-model", help="export a SavedModel for TF Serving")
    _add_model(servable, "DIRECTORY", "the servable; the export becomes its next version")
    servable.add_argument(
        "--max-megapixels",
        type=float,
        default=MAX_MEGAPIXELS,
        help=f"larger image files are refused; {MAX_MEGAPIXELS} by default",
    )
    servable.add_argument(
        "--batch-sizes",
        type=int,
        nargs="*",
        default=(1, 2, 4, 8),
        help="batch sizes of the warm-up requests; 1 2 4 8 by default",
    )
    servable.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="in which the weights are stored and most operations computed; by default that of the "
        "model",
    )
    servable.add_argument(
        "--frozen-weights",
        action="store_true",
        help="makes the weights constants of the graph, which TensorFlow arranges for the "
        "processor once; loading takes several times the memory, see docs/serving.md",
    )
    servable.set_defaults(run=_saved_model)

    lite = forms.add_parser("tflite", help="export a .tflite file for Android")
    _add_model(lite, "FILE.tflite", "file to write")
    lite.add_argument(
        "--quantization",
        choices=QUANTIZATIONS,
        default="int8",
        help="number format; int8 by default",
    )
    lite.add_argument(
        "--calibration",
        type=path_argument,
        metavar="FOLDER",
        help="training images, for int8-static and int8-full: a few hundred files of all classes; "
        "of a folder with train/, val/ and test/ those in train/",
    )
    _add_input_type(lite)
    lite.add_argument(
        "--attention-bias",
        choices=ATTENTION_BIASES,
        default="stored",
        help="computed gives a smaller and slower file; stored by default",
    )
    _add_metadata(lite)
    lite.set_defaults(run=_tflite)

    exchange = forms.add_parser("onnx", help="export an .onnx file for onnxruntime and OpenVINO")
    _add_model(exchange, "FILE.onnx", "file to write")
    _add_input_type(exchange)
    exchange.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="number of images that the file takes at a time, with which OpenVINO is faster than "
        "with a batch of any size, the default",
    )
    _add_metadata(exchange)
    exchange.set_defaults(run=_onnx)


def _add_model(parser, metavar, meaning):
    parser.add_argument(
        "model",
        type=path_argument,
        metavar="MODEL",
        help="a trained model: a run's folder or a .keras file; or imagenet or tiny_imagenet, for "
        "CabViTH_T with these weights",
    )
    parser.add_argument(
        "--output", type=path_argument, required=True, metavar=metavar, help=meaning
    )
    parser.add_argument(
        "--image-size",
        type=int,
        nargs="+",
        metavar=("HEIGHT", "WIDTH"),
        help="size of the images in pixels, one number for a square, to which the weights are "
        "resampled at a cost in accuracy, see docs/sizes.md; the model's own by default",
    )
    parser.add_argument(
        "--labels",
        type=path_argument,
        metavar="FILE",
        help="names of the classes, one per line; by default those in the model, else labels.txt "
        "beside it, if any",
    )
    parser.add_argument(
        "--crop",
        type=float,
        help="side of the centre crop of image files, as a share of the image; 1 uses the whole "
        "image; by default as in the run's evaluation, according to run.json beside the model, "
        "else 0.875 below 384 pixels and 1 from 384",
    )
    parser.add_argument(
        "--classifier-activation",
        choices=ACTIVATIONS,
        help="for a model that ends in a layer of your own: softmax if it gives probabilities, "
        "linear if it gives logits; by default determined from the model",
    )


def _add_input_type(parser):
    parser.add_argument(
        "--input-type",
        choices=INPUT_TYPES,
        default="uint8",
        help="type of the pixels, in [0, 255]; uint8 by default",
    )


def _add_metadata(parser):
    for field, meaning in (
        ("name", "the model's own by default"),
        ("description", "what the model classifies"),
        ("version", "the model's version"),
        ("author", "who made the model"),
        ("license", "licence of the weights"),
    ):
        parser.add_argument(f"--{field}", help=f"for the file's metadata: {meaning}")


def _model(file, options):
    model = read_keras_model(file)
    sides = options.image_size
    if sides is None:
        return model
    if len(sides) > 2:
        raise ValueError(
            "`--image-size` must be one number, for a square, or a height and a width. "
            f"Received: {' '.join(map(str, sides))}"
        )
    return resized_model(model, (sides[0], sides[-1]))


def _labels(file, options):
    return labels_of(file) if options.labels is None else options.labels


def _crop(file, options):
    if options.crop is not None:
        return options.crop
    crop, notes = crop_of(file)
    for note in notes:
        print(note, file=sys.stderr)
    return crop


def _print_written(path):
    print(f"{path} ({size_on_disk(path) / 1e6:.1f} MB)")


@contextlib.contextmanager
def _warnings_as_sentences():
    """Prints warnings without the lines of code that they come from."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: print(
            one_line(str(message)), file=sys.stderr
        )
        yield


@_warnings_as_sentences()
def _saved_model(options):
    with keras_file(options.model) as file:
        version = to_saved_model(
            _model(file, options),
            options.output,
            labels=_labels(file, options),
            crop=_crop(file, options),
            max_megapixels=options.max_megapixels,
            batch_sizes=tuple(options.batch_sizes),
            classifier_activation=options.classifier_activation,
            precision=options.precision,
            frozen_weights=options.frozen_weights,
        )
    _print_written(version)


def _metadata(options):
    given = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(Metadata)
        if getattr(options, field.name) is not None
    }
    return Metadata(**given)


@_warnings_as_sentences()
def _onnx(options):
    with keras_file(options.model) as file:
        path = to_onnx(
            _model(file, options),
            options.output,
            labels=_labels(file, options),
            input_type=options.input_type,
            crop=_crop(file, options),
            metadata=_metadata(options),
            classifier_activation=options.classifier_activation,
            batch_size=options.batch_size,
        )
    _print_written(path)


@_warnings_as_sentences()
def _tflite(options):
    with keras_file(options.model) as file:
        path = to_tflite(
            _model(file, options),
            options.output,
            quantization=options.quantization,
            calibration=options.calibration,
            labels=_labels(file, options),
            input_type=options.input_type,
            crop=_crop(file, options),
            attention_bias=options.attention_bias,
            metadata=_metadata(options),
            classifier_activation=options.classifier_activation,
        )
    _print_written(path)
