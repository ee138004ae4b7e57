"""Draws the curves of a training run."""

import math
from pathlib import Path
from typing import Any

from matplotlib.patheffects import withStroke

from keras_cabvit.figures.style import BLUE, GREY, ORANGE, epoch_axis, figure_style, new_figure


def draw_curves(history: list[dict], path: Path) -> None:
    """Writes a PNG with loss, top-1 and, if known, the learning rate by epoch.

    Args:
        history: list of dicts, one per epoch: `epoch`, counted from 1, and any of `loss`, `top1`,
            `val_cross_entropy`, `val_top1` and `learning_rate`. Values that are missing, None or
            NaN are left out. Shares are 0 to 1.
        path: file to write.
    """
    panels: list[tuple[str, tuple]] = [
        ("Loss", (("loss", "training"), ("val_cross_entropy", "validation"))),
        ("Top-1 accuracy (%)", (("top1", "training"), ("val_top1", "validation"))),
    ]
    if any(_is_known(row.get("learning_rate")) for row in history):
        panels.append(("Learning rate", (("learning_rate", None),)))
    with figure_style():
        figure = new_figure(10, 3.4)
        for axes, (title, lines) in zip(figure.subplots(1, len(panels)), panels, strict=True):
            for (key, label), color in zip(lines, (BLUE, ORANGE), strict=False):
                _draw_line(axes, history, key, label, color if label else GREY)
            _finish(axes, title)
        figure.savefig(path, format="png")


def _draw_line(axes: Any, history: list[dict], key: str, label: str | None, color: str) -> None:
    factor = 100 if "top1" in key else 1
    points = [(row["epoch"], factor * row[key]) for row in history if _is_known(row.get(key))]
    if not points:
        return
    # Markers would overlap in a long run.
    marker = "o" if len(points) <= 30 else None
    axes.plot(*zip(*points, strict=True), color=color, marker=marker, markersize=4, label=label)
    if key == "val_top1":
        _name_best(axes, points, color)


def _name_best(axes: Any, points: list[tuple], color: str) -> None:
    epoch, best = max(points, key=lambda point: (point[1], -point[0]))
    axes.plot([epoch], [best], "o", color=color, markersize=8, fillstyle="none")
    name = axes.annotate(
        f"{best:.1f} %",
        (epoch, best),
        textcoords="offset points",
        xytext=(0, 9),
        ha="center",
        color=color,
        weight="bold",
    )
    # The curve of the training images may pass through it.
    name.set_path_effects([withStroke(linewidth=3, foreground="white")])


def _finish(axes: Any, title: str) -> None:
    axes.set_title(title)
    epoch_axis(axes)
    axes.grid(True)
    axes.margins(y=0.12)
    axes.set_ylim(bottom=max(0, axes.get_ylim()[0]))
    if title == "Learning rate":
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right" if title.startswith("Top-1") else "upper right")


def _is_known(value: Any) -> bool:
    return value is not None and math.isfinite(value)
