"""Arguments that several commands take."""

import argparse


def image_size(text):
    """Returns (height, width) of a text such as "224x224"."""
    height, separator, width = text.partition("x")
    if not (separator and height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"must be HEIGHTxWIDTH, such as 224x224, not {text!r}")
    return int(height), int(width)
