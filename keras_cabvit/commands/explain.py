"""`cabvit explain`: draws what a trained model looks at in an image file."""

import importlib
import sys
from pathlib import Path

from keras_cabvit.atomic_files import atomic_path, check_writable
from keras_cabvit.commands.arguments import add_image_size, path_argument
from keras_cabvit.commands.explained_model import open_explained
from keras_cabvit.commands.text_table import one_line
from keras_cabvit.data.class_names import match_classes
from keras_cabvit.data.crops import check_crop
from keras_cabvit.data.file_batches import file_batches, unreadable_reason
from keras_cabvit.explain import explain_image
from keras_cabvit.explain.blocks import chosen_blocks
from keras_cabvit.paths import path_text
from keras_cabvit.runtimes.size_and_crop import size_and_crop
from keras_cabvit.weights import PRETRAINED

_TOP = 5


def add(commands):
    """Adds the command to a parser's subcommands."""
    parser = commands.add_parser(
        "explain", help="draw what a trained model looks at in an image file"
    )
    parser.add_argument("image", type=path_argument, metavar="IMAGE", help="an image file")
    parser.add_argument(
        "--model",
        type=path_argument,
        required=True,
        metavar="MODEL",
        help="a run's folder or a .keras file; exported files have no attention maps; "
        f"or {' or '.join(PRETRAINED)}, for CabViTH_T with these weights",
    )
    parser.add_argument(
        "--class",
        dest="class_name",
        metavar="NAME",
        help="class of the Grad-CAM, by name or number; by default the most probable one",
    )
    parser.add_argument(
        "--blocks",
        nargs="+",
        metavar="BLOCK",
        help="blocks whose attention is drawn over the image, such as stage_2/block_3; by default "
        "four of all",
    )
    parser.add_argument(
        "--output",
        type=path_argument,
        metavar="FILE.png",
        help="by default the image's name with -explained.png, in the current folder",
    )
    parser.add_argument(
        "--crop",
        type=float,
        help="side of the centre crop as a share of the image; by default as in `cabvit predict`",
    )
    add_image_size(parser, "for a model that takes images of any size", default=None)
    parser.set_defaults(run=_explain)


def _explain(options):
    output = options.output or Path(f"{options.image.stem}-explained.png")
    if output.suffix.lower() != ".png":
        raise ValueError(f"`--output` must end in .png. Received: {output}")
    if output.exists() and options.image.exists() and output.samefile(options.image):
        raise ValueError(f"`--output` must not be the image itself. Received: {output}")
    check_crop(options.crop)
    check_writable(output)
    picture = _picture()
    model = open_explained(options.model)
    size, crop, notes = size_and_crop(model, options.image_size, options.crop)
    print(*map(one_line, notes), sep="\n", end="\n" if notes else "", file=sys.stderr)
    # Before the image is read, which takes seconds.
    chosen_blocks(model.runtime, options.blocks)
    number = None
    if options.class_name is not None:
        number = _class_number(options.class_name, model)

    image = _pixels(options.image, size, crop)
    probabilities = model.predict(image[None])[0]
    names = model.class_names or tuple(map(str, range(len(probabilities))))
    best = (-probabilities).argsort(kind="stable")[:_TOP].tolist()
    number = best[0] if number is None else number
    found = explain_image(model.runtime, image.astype("float32"), number, options.blocks)
    title = f"{path_text(options.image.name)}, seen by {model.name}"
    with atomic_path(output) as partial:
        picture.draw_explanation(
            found,
            [(names[each], float(probabilities[each])) for each in best],
            (names[number], float(probabilities[number])),
            title,
            partial,
        )
    if note := picture.drawing_note([title, names[number], *(names[each] for each in best)]):
        print(note, file=sys.stderr)
    print(output)


def _picture():
    try:
        return importlib.import_module("keras_cabvit.explain.picture")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("matplotlib"):
            raise
        raise ImportError(
            'Drawing the picture needs matplotlib: pip install "keras-cabvit[explain]"'
        ) from error


def _pixels(path, size, crop):
    """Returns the image as the model takes it, uint8 (height, width, 3).

    Raises:
        ValueError: the file cannot be read.
    """
    ((_, _, pixels),) = file_batches([path], size, crop, 1)
    if not len(pixels):
        raise ValueError(f"{path_text(path)}: {unreadable_reason(path)}")
    return pixels[0]


def _class_number(name, model):
    """Returns the number of a class by its name, or by the number itself if no class has it."""
    classes = model.classes
    if name.isdecimal() and int(name) < classes and name not in (model.class_names or ()):
        return int(name)
    if model.class_names is None:
        raise ValueError(
            f"`--class` must be a number from 0 to {classes - 1}: {model.path} does not name its "
            f"classes. Received: {name}"
        )
    match = match_classes(
        model.class_names, [name], classes, model=str(model.path), data="`--class`"
    )
    return match.positions[0]
