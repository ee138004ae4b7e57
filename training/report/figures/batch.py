"""Draws augmented images with their labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cabvit.figures.names import shortened
from keras_cabvit.figures.style import GREY, INK, figure_style
from training.report.figures.image_grid import new_image_grid, write_below


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
    pixels = np.clip(np.rint(images), 0, 255).astype(np.uint8)
    with figure_style(class_names):
        figure, every_axes = new_image_grid(pixels, columns=8, width=1.25, text=0.4)
        for axes, label in zip(every_axes, labels, strict=True):
            _write_label(axes, label, class_names)
        figure.savefig(path, format="png")


def _write_label(axes: Any, label: np.ndarray, class_names: Sequence[str]) -> None:
    first, second = np.argsort(-label, kind="stable")[:2]
    for line, index in enumerate([first, second] if label[second] >= 0.1 else [first]):
        text = f"{shortened(class_names[index], 14)} {100 * label[index]:.0f} %"
        write_below(axes, text, 2 + 12 * line, color=GREY if line else INK)
