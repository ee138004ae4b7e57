"""Draws the most confident mistakes of a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_cabvit.figures.names import shortened
from keras_cabvit.figures.style import BLUE, GREY, ORANGE, figure_style
from training.evaluation.predictions import Mistake
from training.report.figures.image_grid import new_image_grid, write_below


def draw_mistakes(mistakes: Sequence[Mistake], class_names: Sequence[str], path: Path) -> None:
    """Writes a PNG with a grid of images, each with its class and its prediction.

    Args:
        mistakes: list of `Mistake`, at least one.
        class_names: strings, in the order of the labels.
        path: file to write.
    """
    images = [mistake.image for mistake in mistakes]
    with figure_style(class_names):
        figure, every_axes = new_image_grid(images, columns=6, width=1.6, text=0.42)
        for axes, mistake in zip(every_axes, mistakes, strict=True):
            _write_classes(axes, mistake, class_names)
        figure.savefig(path, format="png")


def _write_classes(axes: Any, mistake: Mistake, class_names: Sequence[str]) -> None:
    predicted = shortened(class_names[mistake.predicted], 13)
    label = shortened(class_names[mistake.label], 18)
    write_below(axes, f"✗ {predicted}", 2, color=ORANGE, weight="bold")
    write_below(axes, f"{100 * mistake.confidence:.0f} %", 2, color=GREY, ha="right")
    write_below(axes, f"✓ {label}", 15, color=BLUE, weight="bold")
