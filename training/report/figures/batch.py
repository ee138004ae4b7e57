"""Draws augmented images with their labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.report.figures.style import GREY, INK, figure_style, new_figure, shortened

_COLUMNS = 8
# In inches: the width of an image, the space between two, and two lines of text below each.
_WIDTH, _GAP, _TEXT = 1.25, 0.08, 0.4


def draw_batch(
    images: np.ndarray, labels: np.ndarray, class_names: Sequence[str], path: Path
) -> None:
    """Writes a PNG with a grid of images and the classes of their mixed labels.

    Args:
        images: array (count, height, width, 3), 0..255; values outside are clipped.
        labels: array (count, classes), shares that add up to 1. Smoothing gives every class a
            small share, so a second class is named only if its share is at least 10 %.
        class_names: strings, in the order of the labels.
        path: file to write.
    """
    columns = min(_COLUMNS, len(images))
    rows = -(-len(images) // columns)
    height, width = images.shape[1:3]
    image_height = _WIDTH * height / width
    across, down = _WIDTH + _GAP, image_height + _TEXT + _GAP
    with figure_style(class_names):
        figure = new_figure(columns * across, rows * down)
        figure.set_layout_engine("none")
        total_width, total_height = figure.get_size_inches()
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            row, column = divmod(index, columns)
            left, top = column * across + _GAP / 2, total_height - row * down - _GAP / 2
            axes = figure.add_axes(
                (
                    left / total_width,
                    (top - image_height) / total_height,
                    _WIDTH / total_width,
                    image_height / total_height,
                )
            )
            axes.imshow(np.clip(np.rint(image), 0, 255).astype(np.uint8), aspect="auto")
            axes.axis("off")
            _write_label(axes, label, class_names)
        figure.savefig(path, format="png")


def _write_label(axes: Any, label: np.ndarray, class_names: Sequence[str]) -> None:
    first, second = np.argsort(-label, kind="stable")[:2]
    for line, index in enumerate([first, second] if label[second] >= 0.1 else [first]):
        text = shortened(class_names[index], 14)
        axes.annotate(
            f"{text} {100 * label[index]:.0f} %",
            (0, 0),
            xycoords="axes fraction",
            xytext=(0, -2 - 12 * line),
            textcoords="offset points",
            ha="left",
            va="top",
            fontsize=8,
            color=GREY if line else INK,
        )
