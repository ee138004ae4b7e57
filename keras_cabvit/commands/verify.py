"""`cabvit verify`: compares an export with its source model."""

import argparse
import dataclasses
import json
import math
import sys

import numpy as np

from keras_cabvit.commands.arguments import path_argument, positive
from keras_cabvit.commands.source_model import crop_of, keras_file
from keras_cabvit.commands.verification import failures, print_verification
from keras_cabvit.data.class_names import match_classes
from keras_cabvit.data.folders.image_folder import images_of_folder
from keras_cabvit.data.image_files import read_images, read_npz, unreadable_sentence
from keras_cabvit.runtimes import load_keras
from keras_cabvit.runtimes.class_names import names_of_model
from keras_cabvit.runtimes.comparison import ACCELERATORS, opened_export, verify_opened
from keras_cabvit.runtimes.size_and_crop import assumed_crop
from keras_cabvit.runtimes.stated_crop import preferred_crop


def add(commands):
    """Adds the command to a parser's subcommands."""
    parser = commands.add_parser(
        "verify", help="run an export and its source model on the same images, and compare them"
    )
    parser.add_argument(
        "export",
        type=path_argument,
        metavar="EXPORT",
        help="a .tflite file, an .onnx file or a SavedModel directory",
    )
    parser.add_argument(
        "--against",
        type=path_argument,
        required=True,
        metavar="MODEL",
        help="the source model: a run's folder or a .keras file; or imagenet or tiny_imagenet, for "
        "CabViTH_T with these weights",
    )
    parser.add_argument(
        "--data",
        type=path_argument,
        required=True,
        metavar="FOLDER",
        help="image files; to measure accuracy, in one folder per class, named as in labels.txt "
        "beside the model, or otherwise one for each of its classes, in their order. Of a folder "
        "with train/, val/ and test/ the test images are taken, else those in val/. Or an .npz "
        "file with `images`, pixels in [0, 255], and, optionally, `labels`, numbers of classes",
    )
    parser.add_argument(
        "--crop",
        type=float,
        help="side of the centre crop of image files; by default the one that the export "
        "states, else as in the run's evaluation, according to run.json beside the model, else "
        "0.875 below 384 pixels and 1 from 384",
    )
    parser.add_argument(
        "--accelerator",
        choices=ACCELERATORS,
        default="cpu",
        help="run a .tflite file on the CPU, the default, or on LiteRT's GPU accelerator (WebGPU), "
        "which needs a Vulkan driver; says which operations it takes and leaves, and fails if its "
        "scores are not those of the CPU",
    )
    parser.add_argument(
        "--rounds", type=positive, default=50, help="number of images to time; 50 by default"
    )
    parser.add_argument(
        "--classes-by-position",
        action="store_true",
        help="take the classes of export, model and folders in their order, whatever their names",
    )
    parser.add_argument(
        "--min-agreement",
        type=_threshold,
        default=50,
        help="minimum percentage of images assigned to the same class; else exit status 1. 50 by "
        "default: rounding changes the class of a few images in a hundred, an export of another "
        "model or with its classes in another order that of most",
    )
    for name, meaning in (
        ("--min-decibels", "minimum signal-to-noise ratio of the scores"),
        ("--max-drop", "maximum loss of accuracy in percentage points"),
        ("--max-latency", "maximum latency, as a multiple of the model's"),
    ):
        parser.add_argument(name, type=_threshold, help=meaning + "; else exit status 1")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON instead of a table; signal_to_noise is null if all scores are equal",
    )
    parser.set_defaults(run=_verify)


def _threshold(text):
    """Parses a number, as a `type` of argparse. NaN is none: nothing is above or below it."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}")
    return value


def _verify(options):
    with keras_file(options.against) as file:
        model = load_keras(file)
        with opened_export(options.export, options.accelerator) as export:
            return _verify_opened(options, file, model, export)


def _verify_opened(options, file, model, export):
    """Compares an opened export with the model of a `.keras` file, and returns the exit status."""
    images, labels, notes = _images(options, file, model, export)
    if labels is None and options.max_drop is not None:
        raise ValueError(
            "--max-drop needs the classes of the images: one folder per class, or `labels` in "
            "the .npz file."
        )
    names = names_of_model(file, model.classes)
    if options.classes_by_position:
        export, names = dataclasses.replace(export, labels=None), None
    found = verify_opened(
        options.export, export, file, model, images, labels, options.rounds, names
    )
    found = dataclasses.replace(found, notes=(*notes, *found.notes))
    failed = list(failures(found, options, names))
    if options.json:
        values = dataclasses.asdict(found) | {"failures": failed}
        for part in (values, values["acceleration"] or {}):
            if math.isinf(part.get("signal_to_noise", 0)):
                part["signal_to_noise"] = None  # JSON has no infinity
        print(json.dumps(values, indent=2))
    else:
        print_verification(found)
    for sentence in failed:
        print(sentence, file=sys.stderr)
    return 1 if failed else 0


def _images(options, file, model, export):
    """Returns the images, their classes or None, and sentences on what was read."""
    if options.data.suffix.lower() == ".npz":
        return *read_npz(options.data), ()
    size = _size(options, file, model, export)
    found = images_of_folder(options.data, ("test", "val", "train"))
    labels, notes = _classes(found, options, file, model.classes)
    crop, crop_notes = _crop(options, file, size, export)
    images, unreadable = read_images(found.files, size, crop)
    if labels is not None:
        labels = np.delete(labels, list(unreadable))
    sentence = unreadable_sentence(found.files, unreadable)
    return images, labels, (*found.notes, *crop_notes, *notes, *([sentence] if sentence else []))


def _size(options, file, model, export):
    """Returns (height, width) of the images, which one of the two may leave open."""
    if len(export.image_shape) != len(model.image_shape):
        return model.image_shape[:2]  # that they differ is said when they are compared
    pairs = zip(model.image_shape[:2], export.image_shape[:2], strict=True)
    size = tuple(ours or theirs for ours, theirs in pairs)
    if None in size:
        raise ValueError(
            f"{options.export} and {file} both take images of any size: give an .npz file with "
            "images of one size as --data."
        )
    return size


def _crop(options, file, size, export):
    """Returns the crop of image files, and sentences on its origin where that is not plain."""
    if options.crop is not None:
        return options.crop, ()
    crop_of_model, notes = crop_of(file, size)
    other = f"{file} or its run.json"
    crop, more = preferred_crop(options.export, export.evaluation_crop, crop_of_model, other)
    if crop is not None:
        return crop, (*notes, *more)
    crop, note = assumed_crop(size, options.export, other)
    return crop, (note,)


def _classes(found, options, file, count):
    """Returns the class of each file, by its folder's name, and sentences on the matching.

    Without folders the classes are None.
    """
    labels, folders = found.labels, found.classes
    if labels is None:
        return None, ()
    match = match_classes(
        names_of_model(file, count),
        folders,
        count,
        model=str(file),
        data=str(options.data),
        by_position=options.classes_by_position,
    )
    return np.array(match.positions)[labels], match.notes
