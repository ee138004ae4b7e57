"""Scores one model in several forms: how often it is right, how large and how quick it is."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class FormScore:
    """How one form of a model did.

    Attributes:
        form: its name.
        top1: share of the images whose highest score is the right class.
        size: bytes on disk.
        latency: median seconds for one image.
    """

    form: str
    top1: float
    size: int
    latency: float


def score_forms(forms, images, labels, latency_rounds=50):
    """Scores forms of one model on the same images.

    Latencies are taken in turns, one image and one form after the other, so that whatever else the
    computer does meets all forms alike: compare them with each other, not with another run's.

    Args:
        forms: dict from a form's name to (path on disk, function from uint8 images to scores).
        images: uint8 array (count, height, width, channels).
        labels: integer array (count,).
        latency_rounds: integer, how many images are timed. Defaults to 50.

    Returns:
        A list of `FormScore`, in the order of `forms`.
    """
    top1 = {name: _top1(predict, images, labels) for name, (_, predict) in forms.items()}
    seconds = {name: [] for name in forms}
    for index in range(latency_rounds):
        image = images[index % len(images)][None]
        for name, (_, predict) in forms.items():
            start = time.perf_counter()
            predict(image)
            seconds[name].append(time.perf_counter() - start)
    return [
        FormScore(name, top1[name], size_on_disk(path), statistics.median(seconds[name]))
        for name, (path, _) in forms.items()
    ]


def _top1(predict, images, labels, batch_size=100):
    predicted = [
        np.argmax(predict(images[start : start + batch_size]), axis=-1)
        for start in range(0, len(images), batch_size)
    ]
    return float(np.mean(np.concatenate(predicted) == labels))


def size_on_disk(path):
    """Returns the bytes of a file, or of all files in a directory."""
    path = Path(path)
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def score_table(scores):
    """Returns the scores as a Markdown table, which also reads well in a terminal.

    Args:
        scores: list of `FormScore`.
    """
    rows = [("form", "top-1", "size", "latency, one image")]
    rows += [
        (
            score.form,
            f"{100 * score.top1:.1f} %",
            f"{score.size / 1e6:.2f} MB",
            f"{1000 * score.latency:.2f} ms",
        )
        for score in scores
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first, *others = widths
    rule = "| " + " | ".join(["-" * first] + ["-" * (width - 1) + ":" for width in others]) + " |"
    lines = [
        "| "
        + " | ".join(
            [row[0].ljust(first)]
            + [cell.rjust(width) for cell, width in zip(row[1:], others, strict=True)]
        )
        + " |"
        for row in rows
    ]
    return "\n".join([lines[0], rule, *lines[1:]])
