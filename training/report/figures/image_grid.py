"""Grids of images with text below each."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cabvit.figures.style import new_figure

# In inches: the space between two images.
_GAP = 0.08


def new_image_grid(
    images: Sequence[np.ndarray], columns: int, width: float, text: float
) -> tuple[Any, list[Any]]:
    """Returns a figure of images in rows, and the axes of each.

    Args:
        images: uint8 arrays (height, width, 3) of one size, at least one.
        columns: images per row.
        width: width of an image in inches.
        text: height of the space for text below an image, in inches.
    """
    rows = -(-len(images) // columns)
    height = width * images[0].shape[0] / images[0].shape[1]
    across, down = width + _GAP, height + text + _GAP
    # Of one or two images the text is wider than they are.
    total_width, total_height = max(min(columns, len(images)), 3) * across, rows * down
    figure = new_figure(total_width, total_height)
    figure.set_layout_engine("none")
    every_axes = []
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left, top = column * across + _GAP / 2, total_height - row * down - _GAP / 2
        axes = figure.add_axes(
            (
                left / total_width,
                (top - height) / total_height,
                width / total_width,
                height / total_height,
            )
        )
        axes.imshow(image, aspect="auto")
        axes.axis("off")
        every_axes.append(axes)
    return figure, every_axes


def write_below(axes: Any, text: str, points: float, **style: Any) -> None:
    """Writes a line of text below an image.

    Args:
        axes: the image's axes.
        text: string.
        points: space between image and text, in points.
        **style: matplotlib's options of texts, such as `color`. With `ha="right"` the line ends at
            the image's right edge; otherwise it starts at the left one.
    """
    axes.annotate(
        text,
        (1 if style.get("ha") == "right" else 0, 0),
        xycoords="axes fraction",
        xytext=(0, -points),
        textcoords="offset points",
        va="top",
        fontsize=8,
        **style,
    )
