"""Draws the calibration of a model."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_cabvit.figures.style import (
    BLUE,
    GREY,
    INK,
    LIGHT_BLUE,
    ORANGE,
    figure_style,
    new_figure,
)
from training.evaluation.metrics import Calibration


def draw_reliability(calibration: Calibration, path: Path) -> None:
    """Writes a PNG with the accuracy by confidence, and the distribution of the confidence.

    Args:
        calibration: `Calibration`.
        path: file to write.
    """
    with figure_style():
        figure = new_figure(10, 4.6)
        left, right = figure.subplots(1, 2, width_ratios=(1.05, 1))
        _draw_accuracy(left, calibration)
        _draw_confidence(right, calibration)
        figure.savefig(path, format="png")


def _draw_accuracy(axes: Any, calibration: Calibration) -> None:
    filled = calibration.images > 0
    accuracy, confidence = calibration.accuracy[filled], calibration.confidence[filled]
    images = calibration.images[filled]
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1, label="perfect calibration")
    axes.vlines(
        confidence, confidence, accuracy, color=ORANGE, alpha=0.55, linewidth=5, label="gap"
    )
    axes.errorbar(
        confidence,
        accuracy,
        np.sqrt(accuracy * (1 - accuracy) / images),
        color=BLUE,
        linewidth=1,
        capsize=3,
        label="accuracy ± standard error",
    )
    # The area of a dot is its bin's share of the images.
    sizes = 12 + 400 * images / images.sum()
    axes.scatter(confidence, accuracy, sizes, color=BLUE, zorder=3, clip_on=False)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
    axes.set_aspect("equal")
    axes.set_title(f"Calibration error {100 * calibration.error:.2f} %")
    axes.grid(True)
    _legend_below(axes)


def _draw_confidence(axes: Any, calibration: Calibration) -> None:
    bins = len(calibration.images)
    share = calibration.images / calibration.images.sum()
    axes.bar(
        np.arange(bins) / bins,
        100 * share,
        1 / bins,
        align="edge",
        color=LIGHT_BLUE,
        edgecolor="white",
    )
    for value, style, color, label in (
        (_mean(calibration.accuracy, share), "-", ORANGE, "accuracy"),
        (_mean(calibration.confidence, share), "--", INK, "mean confidence"),
    ):
        axes.axvline(value, linestyle=style, color=color, label=f"{label} {100 * value:.1f} %")
    axes.set(xlim=(0, 1.02), xlabel="confidence: the probability of the predicted class")
    axes.set_title("Share of the images (%)")
    axes.grid(True, axis="y")
    _legend_below(axes)


def _legend_below(axes: Any) -> None:
    # Inside, few images leave no place that is free of dots or bars.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, fontsize=9)


def _mean(values: np.ndarray, share: np.ndarray) -> float:
    return float(np.nansum(values * share))
