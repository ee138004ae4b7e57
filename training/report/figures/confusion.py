"""Draws a confusion matrix."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cabvit.figures.names import shortened
from keras_cabvit.figures.style import FAINT, GREY, INK, RIGHT, WRONG, figure_style, new_figure

# More classes than this would be unreadable; then only the most confused ones are drawn.
MOST_CLASSES = 24


def draw_confusion(confusion: np.ndarray, class_names: Sequence[str], path: Path) -> None:
    """Writes a PNG of the confusion matrix, with the number of images in every cell.

    A cell's shade is its share of the images of its class. Of more than 24 classes, the most
    confused ones are drawn, with a column for all others.

    Args:
        confusion: integers (classes, classes), true class by predicted class.
        class_names: strings, in the order of the labels.
        path: file to write.
    """
    chosen = most_confused_classes(confusion, MOST_CLASSES)
    counts = confusion[np.ix_(chosen, chosen)]
    names = [shortened(class_names[index], 18) for index in chosen]
    column_names = names
    others = len(chosen) < len(confusion)
    if others:
        rest = confusion[chosen].sum(axis=1) - counts.sum(axis=1)
        counts = np.column_stack([counts, rest])
        column_names = [*names, "all others"]
    totals = np.maximum(confusion[chosen].sum(axis=1, keepdims=True), 1)

    rows, columns = counts.shape
    cell = float(np.clip(6.5 / rows, 0.37, 1.1))
    label = 0.085 * max(map(len, column_names))
    with figure_style(class_names):
        figure = new_figure(max(4.6, columns * cell + label + 1.0), rows * cell + label + 0.9)
        axes = figure.subplots()
        axes.imshow(_shades(counts / totals), aspect="equal", interpolation="nearest")
        _write_counts(axes, counts, counts / totals, cell)
        axes.set_xticks(
            range(columns), column_names, rotation=45, ha="right", rotation_mode="anchor"
        )
        axes.set_yticks(range(rows), names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        title = "Images by true and predicted class"
        if others:
            title = f"The {rows} most confused of {len(confusion):,} classes"
        axes.set_title(title, fontsize=11, loc="left")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        _draw_grid(axes, rows, columns, others)
        figure.savefig(path, format="png")


def most_confused_pairs(confusion: np.ndarray, count: int) -> list[tuple[int, int, int]]:
    """Returns the pairs of classes in which one is most often predicted for the other.

    Args:
        confusion: integers (classes, classes), true class by predicted class.
        count: integer, the largest number of pairs.

    Returns:
        A list of (images, true class, predicted class), the most images first.
    """
    wrong = np.array(confusion)
    np.fill_diagonal(wrong, 0)
    cells = np.flatnonzero(wrong)  # few of the squared number of classes
    images = wrong.ravel()[cells]
    order = np.argsort(-images, kind="stable")[:count]
    pairs = zip(*np.unravel_index(cells[order], wrong.shape), strict=True)
    return [
        (int(found), int(true), int(predicted))
        for found, (true, predicted) in zip(images[order], pairs, strict=True)
    ]


def most_confused_classes(confusion: np.ndarray, count: int) -> list[int]:
    """Returns the sorted indices of the `count` classes in the most confused pairs, or of all."""
    classes = len(confusion)
    if classes <= count:
        return list(range(classes))
    chosen = []
    for _, true, predicted in most_confused_pairs(confusion, classes * classes):
        chosen += [index for index in (true, predicted) if index not in chosen]
        if len(chosen) >= count:
            break
    chosen += [index for index in range(classes) if index not in chosen]
    return sorted(chosen[:count])


def _shades(shares: np.ndarray) -> np.ndarray:
    """Returns the colours (rows, columns, 4): the diagonal blue, the rest orange."""
    # A square root shows a mistake in a hundred.
    colors = WRONG(0.75 * np.sqrt(shares))
    diagonal = np.arange(len(shares))
    colors[diagonal, diagonal] = RIGHT(0.85 * shares[diagonal, diagonal])
    return colors


def _write_counts(axes: Any, counts: np.ndarray, shares: np.ndarray, cell: float) -> None:
    size = float(np.clip(19 * cell, 6.5, 11))
    for (row, column), count in np.ndenumerate(counts):
        if not count and row != column:
            continue
        dark = shares[row, column] > (0.5 if row == column else 0.45)
        text = f"{count:,}" if count < 10_000 else f"{count / 1000:.0f}k"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=size if len(text) < 4 else size * 0.8,
            color="white" if dark else INK,
            weight="bold" if row == column else "normal",
        )


def _draw_grid(axes: Any, rows: int, columns: int, others: bool) -> None:
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=FAINT, linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    if others:
        axes.axvline(columns - 1.5, color=GREY, linewidth=1.5)
