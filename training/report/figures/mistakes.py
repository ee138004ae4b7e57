"""Draws the most confident mistakes of a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.evaluation.predictions import Mistake
from training.report.figures.style import BLUE, GREY, ORANGE, figure_style, new_figure, shortened

_COLUMNS = 6
# In inches: the width of an image, the space between two, and two lines of text below each.
_WIDTH, _GAP, _TEXT = 1.6, 0.08, 0.42


def draw_mistakes(mistakes: Sequence[Mistake], class_names: Sequence[str], path: Path) -> None:
    """Writes a PNG with a grid of images, each with its class and its prediction.

    Args:
        mistakes: list of `Mistake`, at least one.
        class_names: strings, in the order of the labels.
        path: file to write.
    """
    columns = min(_COLUMNS, len(mistakes))
    rows = -(-len(mistakes) // columns)
    height, width = mistakes[0].image.shape[:2]
    image_height = _WIDTH * height / width
    across, down = _WIDTH + _GAP, image_height + _TEXT + _GAP
    with figure_style(class_names):
        figure = new_figure(max(columns, 3) * across, rows * down)
        figure.set_layout_engine("none")
        total_width, total_height = figure.get_size_inches()
        for index, mistake in enumerate(mistakes):
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
            _draw_one(axes, mistake, class_names)
        figure.savefig(path, format="png")


def _draw_one(axes: Any, mistake: Mistake, class_names: Sequence[str]) -> None:
    axes.imshow(mistake.image, aspect="auto")
    axes.axis("off")
    predicted = shortened(class_names[mistake.predicted], 13)
    label = shortened(class_names[mistake.label], 18)
    for text, corner, below, align, color, weight in (
        (f"✗ {predicted}", 0, 2, "left", ORANGE, "bold"),
        (f"{100 * mistake.confidence:.0f} %", 1, 2, "right", GREY, "normal"),
        (f"✓ {label}", 0, 15, "left", BLUE, "bold"),
    ):
        axes.annotate(
            text,
            (corner, 0),
            xycoords="axes fraction",
            xytext=(0, -below),
            textcoords="offset points",
            ha=align,
            va="top",
            fontsize=8,
            color=color,
            weight=weight,
        )
