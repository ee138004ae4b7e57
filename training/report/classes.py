"""The sections about single classes."""

from collections.abc import Sequence

import numpy as np

from training.evaluation.metrics import Scores
from training.report.figures.confusion import MOST_CLASSES, most_confused_pairs
from training.report.markdown import escaped, percent, table

# Rows listed before the rest is omitted or collapsed.
_MOST_PAIRS = 12
_MOST_CLASS_ROWS = 30


def confusion(scores: Scores, class_names: Sequence[str]) -> str:
    """Returns the section about confused classes."""
    shown = (
        "all classes"
        if scores.classes <= MOST_CLASSES
        else f"the {MOST_CLASSES} most confused of {scores.classes:,} classes"
    )
    lines = [
        "## Confusion matrix",
        "![Confusion matrix](confusion.png)",
        f"Rows are true classes, columns are predictions, for {shown}. The shade is the share of "
        "the row: blue for right predictions, orange for wrong ones.",
    ]
    pairs = most_confused_pairs(scores.confusion, _MOST_PAIRS)
    if pairs:
        rows = [
            [
                escaped(class_names[true]),
                escaped(class_names[predicted]),
                f"{count:,}",
                percent(count / scores.support[true], scores.support[true]),
            ]
            for count, true, predicted in pairs
        ]
        header = ["class", "predicted", "images", "of the class"]
        lines.append(table(header, rows, text_columns=2))
    return "\n\n".join(lines)


def classes(
    scores: Scores, class_names: Sequence[str], training_counts: Sequence[int] | None = None
) -> str:
    """Returns the section with a row for every class, with its training images if known."""
    numbers = list(zip(scores.precision, scores.recall, scores.f1, scores.support, strict=True))

    def row(index: int) -> list[str]:
        *shares, support = numbers[index]
        return [
            escaped(class_names[index]),
            *(percent(share, max(1, support)) for share in shares),
            f"{support:,}",
            *([] if training_counts is None else [f"{training_counts[index]:,}"]),
        ]

    header = ["class", "precision", "recall", "F1", "images"]
    if training_counts is not None:
        header.append("training images")
    # Classes without images have no scores; a model's data may have only some of its classes.
    everything = np.flatnonzero(scores.support).tolist()
    lines = [
        "## Class by class",
        "Precision: of the images predicted to be of the class, the share that is. Recall: of the "
        "class's images, the share that is found. F1: their harmonic mean.",
    ]
    if len(everything) < scores.classes:
        lines.append(f"Only the {len(everything):,} classes of which there are images are listed.")
    if len(everything) <= _MOST_CLASS_ROWS:
        lines.append(table(header, [row(index) for index in everything]))
        return "\n\n".join(lines)
    f1 = scores.f1  # computed from the whole confusion matrix, every time
    hardest = sorted(everything, key=lambda index: f1[index])[:20]
    lines += [
        f"The {len(hardest)} classes with the lowest F1:",
        table(header, [row(index) for index in hardest]),
        f"<details><summary>All {len(everything):,} classes</summary>",
        table(header, [row(index) for index in everything]),
        "</details>",
    ]
    return "\n\n".join(lines)
