"""Arguments shared by several commands."""

import argparse


def add_image_size(parser, meaning):
    """Adds --image-size to a parser.

    Args:
        parser: parser of argparse.
        meaning: string, the help text.
    """
    parser.add_argument(
        "--image-size",
        type=_image_size,
        default=(224, 224),
        metavar="HEIGHTxWIDTH",
        help=meaning,
    )


def _image_size(text):
    """Parses (height, width) from a text such as "224x224"."""
    height, separator, width = text.partition("x")
    if not (separator and height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"must be HEIGHTxWIDTH, such as 224x224, not {text!r}")
    return int(height), int(width)
