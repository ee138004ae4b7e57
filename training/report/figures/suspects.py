"""Draws the images whose labels are worth a second look."""

from collections.abc import Sequence
from pathlib import Path

from keras_cabvit.figures.names import shortened
from keras_cabvit.figures.style import BLUE, GREY, INK, figure_style
from training.evaluation.suspects import Suspect
from training.report.figures.image_grid import new_image_grid, write_below


def draw_suspects(suspects: Sequence[Suspect], class_names: Sequence[str], path: Path) -> None:
    """Writes a PNG with a grid of images, each with its label and the model's prediction.

    Args:
        suspects: list of `Suspect` with an image, at least one.
        class_names: strings, in the order of the labels.
        path: file to write.
    """
    images = [suspect.image for suspect in suspects if suspect.image is not None]
    with figure_style(class_names):
        figure, every_axes = new_image_grid(images, columns=6, width=1.6, text=0.42)
        for axes, suspect in zip(every_axes, suspects, strict=True):
            label = shortened(class_names[suspect.label], 15)
            predicted = shortened(class_names[suspect.predicted], 14)
            write_below(axes, f"label: {label}", 2, color=INK)
            write_below(axes, f"{100 * suspect.label_confidence:.0f} %", 2, color=GREY, ha="right")
            write_below(axes, f"model: {predicted}", 15, color=BLUE, weight="bold")
            write_below(axes, f"{100 * suspect.confidence:.0f} %", 15, color=GREY, ha="right")
        figure.savefig(path, format="png")
