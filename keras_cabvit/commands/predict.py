"""`cabvit predict`: classifies image files with a trained model in any form."""

import sys

from keras_cabvit.commands.arguments import add_image_size, path_argument, positive
from keras_cabvit.commands.image_arguments import (
    WIDEST,
    add_files,
    changed_sentence,
    each_path,
    survey,
)
from keras_cabvit.commands.progress import write_rows
from keras_cabvit.commands.text_table import GrowingTable, one_line
from keras_cabvit.paths import path_text
from keras_cabvit.runtimes.file_predictions import predict_files
from keras_cabvit.runtimes.opened_model import open_model
from keras_cabvit.runtimes.prediction_file import check_prediction_path, prediction_file
from keras_cabvit.runtimes.pretrained_model import is_pretrained, open_pretrained
from keras_cabvit.runtimes.size_and_crop import size_and_crop
from keras_cabvit.weights import PRETRAINED


def add(commands):
    """Adds the command to a parser's subcommands."""
    parser = commands.add_parser("predict", help="classify image files with a trained model")
    add_files(parser)
    parser.add_argument(
        "--model",
        type=path_argument,
        required=True,
        metavar="MODEL",
        help="a run's folder, a .keras file, a SavedModel directory, a .tflite or .onnx file; "
        f"or {' or '.join(PRETRAINED)}, for CabViTH_T with these weights",
    )
    parser.add_argument(
        "--output",
        type=path_argument,
        metavar="FILE",
        help="write .csv, .jsonl or .parquet instead of a table to the terminal",
    )
    parser.add_argument(
        "--top",
        type=positive,
        default=3,
        help="classes per file, if the model has as many; 3 by default",
    )
    parser.add_argument(
        "--crop",
        type=float,
        help="side of the centre crop as a share of the image; by default the one that "
        "the model states, else as in the run's evaluation, according to run.json beside the "
        "model, else 0.875 below 384 pixels and 1 from 384",
    )
    add_image_size(parser, "for a model that takes images of any size", default=None)
    parser.add_argument(
        "--batch-size", type=positive, default=64, help="files at a time; 64 by default"
    )
    parser.set_defaults(run=_predict)


def _predict(options):
    if options.output is not None:
        check_prediction_path(options.output)
    total, width = survey(options.files)
    model = _opened(options.model)
    _introduce(model, options)
    top = min(options.top, model.classes or options.top)
    rows = predict_files(
        model,
        each_path(options.files),
        top=top,
        image_size=options.image_size,
        crop=options.crop,
        batch_size=options.batch_size,
    )
    if options.output is None:
        table = _Table(model, width)
        # In a terminal the rows themselves show the progress.
        seen, unread = write_rows(rows, total, table.add, show_progress=not sys.stdout.isatty())
    else:
        seen, unread = _write(rows, total, options.output, top)
    if unread:
        print(f"{unread:,} of {seen:,} files could not be read.", file=sys.stderr)
    if seen != total:
        print(changed_sentence(total, seen), file=sys.stderr)
    return 1 if unread else 0


def _opened(path):
    if is_pretrained(path):
        return open_pretrained(str(path))
    return open_model(path)


def _introduce(model, options):
    """Prints the model and the framing of the images, and assumptions on both."""
    (height, width), crop, notes = size_and_crop(model, options.image_size, options.crop)
    print(
        f"{one_line(model.name)} ({model.form}), {height}x{width} pixels, centre crop {crop:g}.",
        *map(one_line, notes),
        sep="\n",
        file=sys.stderr,
    )
    if model.class_names is None:
        print(
            f"{model.path} does not name its classes: their numbers are given. Name them in a "
            "labels.txt beside it, one per line.",
            file=sys.stderr,
        )


def _write(rows, total, output, top):
    """Writes a file of predictions; returns the number of files, and of those not read."""
    file = None
    try:
        with prediction_file(output, top) as file:
            seen, unread = write_rows(rows, total, file.write)
    except BaseException:
        _say_what_is_left(file, output, total)
        raise
    print(f"{output} ({seen - unread:,} files classified)")
    return seen, unread


def _say_what_is_left(file, output, total):
    """Prints what there is of a file of predictions after an interruption or an error."""
    sentence = f"{output} was not written."
    if file is not None and file.incomplete is not None:
        sentence += (
            f" The rows of the first {file.rows:,} of {total:,} files are in {file.incomplete}."
        )
    print(f"\n{sentence}", file=sys.stderr)


class _Table:
    """Prints the classes of every file, one per line."""

    def __init__(self, model, width):
        names = model.class_names or [str(model.classes or "")]
        class_width = max(len(one_line(name)) for name in names)
        self._table = GrowingTable(
            ("file", "class", "probability"), (width, min(class_width, WIDEST), 0), text_columns=2
        )

    def add(self, row):
        name = one_line(path_text(row.path))
        if row.error:
            self._table.add((name, "(not read)", ""))
        for label, probability in zip(row.class_names, row.probabilities, strict=True):
            self._table.add((name, one_line(label), f"{100 * probability:.1f} %"))
            name = ""  # print the name only once per file
