"""Arguments shared by several commands."""

import argparse

from keras_cabvit.paths import local_path


def add_image_size(parser, meaning, default=(224, 224)):
    """Adds --image-size to a parser.

    Args:
        parser: parser of argparse.
        meaning: string, the help text.
        default: (height, width), or None. Defaults to (224, 224).
    """
    parser.add_argument(
        "--image-size",
        type=_image_size,
        default=default,
        metavar="HEIGHTxWIDTH",
        help=meaning,
    )


def path_argument(text):
    """Parses a path on this computer, as a `type` of argparse.

    Args:
        text: string, with `~` for the home folder.

    Returns:
        A `pathlib.Path`.

    Raises:
        argparse.ArgumentTypeError: it is an address, such as `gs://bucket/run`.
    """
    try:
        return local_path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("`path` ")) from error


def _image_size(text):
    """Parses (height, width) from a text such as "224x224"."""
    height, separator, width = text.partition("x")
    if not (separator and height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"must be HEIGHTxWIDTH, such as 224x224, not {text!r}")
    return int(height), int(width)
