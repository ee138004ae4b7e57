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


def positive(text):
    """Parses an integer of at least 1, as a `type` of argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1, not {text!r}")
    return int(text)


def _image_size(text):
    """Parses (height, width), both at least 1, from a text such as "224x224"."""
    try:
        height, width = map(positive, text.split("x"))
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise argparse.ArgumentTypeError(
            f"must be HEIGHTxWIDTH, such as 224x224, with sides of at least 1, not {text!r}"
        ) from error
    return height, width
