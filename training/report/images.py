"""The sections about single images."""

from collections.abc import Sequence

from training.evaluation.result import Evaluation
from training.report.markdown import escaped, table

# Broken images listed before the rest is only counted.
_MOST_BROKEN = 50


def mistakes(evaluation: Evaluation) -> str:
    """Returns the section with the most confident mistakes."""
    title = "## Worst mistakes"
    if not evaluation.mistakes:
        return f"{title}\n\nNo image was misclassified."
    names = evaluation.class_names
    rows = [
        [
            escaped(mistake.name),
            escaped(names[mistake.label]),
            escaped(names[mistake.predicted]),
            f"{100 * mistake.confidence:.1f} %",
        ]
        for mistake in evaluation.mistakes
    ]
    wrong = int((evaluation.predicted != evaluation.labels).sum())
    return "\n\n".join(
        [
            title,
            "![Misclassified images](mistakes.png)",
            f"The {len(rows)} most confident of {wrong:,} mistakes, as the model saw them: ✗ the "
            "prediction with its probability, ✓ the label. "
            + (
                "Some of them may be mistakes in the labels: see the next section."
                if evaluation.suspects
                else "Some of them may be mistakes in the labels."
            ),
            "<details><summary>Their names</summary>",
            table(["image", "class", "predicted", "probability"], rows, text_columns=3),
            "</details>",
        ]
    )


def suspects(evaluation: Evaluation) -> str:
    """Returns the section with the images whose labels are worth a second look."""
    title = "## Labels to look at first"
    if not evaluation.suspects:
        return f"{title}\n\nThe model contradicts no label as confidently as it confirms others."
    names = evaluation.class_names
    count = len(evaluation.suspects)
    pictured = [each for each in evaluation.suspects if each.image is not None]
    rows = [
        [
            escaped(each.name),
            escaped(names[each.label]),
            escaped(names[each.predicted]),
            f"{100 * each.label_confidence:.1f} %",
            f"{100 * each.confidence:.1f} %",
        ]
        for each in pictured
    ]
    of_count = "1 image" if count == 1 else f"{count:,} images"
    shown = "" if len(pictured) == count else f" The first {len(pictured)} are shown."
    lines = [
        title,
        "![Images whose labels to look at first](labels_to_check.png)",
        f"For {of_count} the model's answer is another class, and it is at least as sure of it as "
        "it is on average of the images that are labelled with that class (confident learning, "
        "Northcutt et al. 2021). If labels are to be checked, these are the ones to look at first; "
        f"the label or the model may be right.{shown} All are in "
        "[labels_to_check.csv](labels_to_check.csv).",
        "<details><summary>Their names</summary>",
        table(
            ["image", "label", "model", "probability of the label", "of the model's answer"],
            rows,
            text_columns=3,
        ),
        "</details>",
    ]
    return "\n\n".join(lines)


def broken_images(evaluation: Evaluation, broken_names: Sequence[str]) -> str:
    """Returns the section that lists unreadable images."""
    lines = ["## Broken images"]
    for names, what in (
        (broken_names, "Images for training and validation"),
        (evaluation.broken_names, "Images to score"),
    ):
        if names:
            lines.append(f"{what} that cannot be read and were left out, {len(names):,} in all:")
            lines.append("\n".join(f"- {escaped(name)}" for name in names[:_MOST_BROKEN]))
            if len(names) > _MOST_BROKEN:
                lines.append(f"and {len(names) - _MOST_BROKEN:,} more.")
    if len(lines) == 1:
        lines.append("None were found.")
    return "\n\n".join(lines)
