"""The sections about the scores as a whole."""

import numpy as np

from training.evaluation.metrics import Scores
from training.evaluation.result import Evaluation
from training.report.markdown import escaped, percent, table


def summary(evaluation: Evaluation, run: dict) -> str:
    """Returns the title, a note on the scored images, and the scores."""
    scores = evaluation.scores
    n = scores.images
    rows = [
        ["top-1", f"{percent(scores.top1, n)} ± {percent(scores.top1_standard_error, n)}"],
        ["top-5", percent(scores.top5, n)],
        ["always the most frequent class", percent(scores.majority_baseline, n)],
        [
            "balanced accuracy (macro recall)",
            f"{percent(scores.balanced_accuracy, n)} ± "
            f"{percent(scores.balanced_accuracy_standard_error, n)}",
        ],
        ["macro precision", percent(scores.macro_precision, n)],
        ["macro F1", percent(scores.macro_f1, n)],
        ["cross-entropy", f"{scores.cross_entropy:.4f}"],
        ["calibration error", percent(scores.calibration_error, n)],
        ["images", f"{n:,}"],
        ["size on disk", f"{evaluation.size / 1e6:.2f} MB"],
        ["latency, one image", f"{1000 * evaluation.latency:.2f} ms"],
    ]
    if scores.classes <= 5:
        del rows[1]
    height, width = evaluation.image_size
    notes = [evaluation.note, run.get("test_note") if evaluation.are_test_of_run else None]
    lines = [
        f"# {escaped(evaluation.name)}: {percent(scores.top1, n)} top-1",
        escaped(" ".join(filter(None, notes))),
        table(["score", evaluation.form], rows),
        f"± is the standard error of scoring only {n:,} images. "
        + _all_right(scores)
        + "Balanced accuracy and macro scores are means over the classes with images, each with "
        "the same weight. Images are "
        f"{width}x{height}"
        + (
            ", resized as a whole"
            if evaluation.crop == 1
            else f", the central {100 * evaluation.crop:g} % of each side"
        )
        + ". The latency is the median on this computer, which may have been busy: compare it "
        "only within a table.",
    ]
    # A warning about the scores comes with them; its section only lists the images.
    lines += [f"- {escaped(note)}" for note in evaluation.notes]
    return "\n\n".join(lines)


def _all_right(scores: Scores) -> str:
    """Returns a sentence on the top-1 of 100 %, whose standard error says nothing; else nothing."""
    if scores.top1 < 1:
        return ""
    # The smallest top-1 with which so many images are all right in at least 5 % of the tests.
    smallest = percent(0.05 ** (1 / scores.images), scores.images)
    return (
        f"As all are right it is 0, but any top-1 above {smallest} is compatible with that (95 % "
        "confidence). "
    )


def calibration(scores: Scores) -> str:
    """Returns the section about confidence."""
    bins = scores.calibration
    claimed = float(np.average(np.nan_to_num(bins.confidence), weights=bins.images))
    difference = claimed - scores.top1
    # Of the top-1 of a calibrated model. That of the observed one is 0 when all are right.
    deviation = (claimed * max(0.0, 1 - claimed) / scores.images) ** 0.5
    if abs(difference) < 0.01:
        verdict = "that is about right"
    elif abs(difference) < 2 * deviation:
        verdict = "that may be right, as far as so few images tell"
    else:
        verdict = "it is overconfident" if difference > 0 else "it is underconfident"
    return "\n\n".join(
        [
            "## Calibration",
            "![Accuracy by confidence](calibration.png)",
            "On average the model gives its prediction a probability of "
            f"{100 * claimed:.1f} %, and it is right for {100 * scores.top1:.1f} % of the images: "
            f"{verdict}. The expected calibration error over {len(bins.images)} bins of equal "
            f"width is {100 * bins.error:.2f} % (Guo et al. 2017). By chance, that of a "
            f"calibrated model would be about {100 * bins.error_by_chance:.1f} % with "
            f"{scores.images:,} images.",
        ]
    )


def none_of_these(evaluation: Evaluation) -> str:
    """Returns the section about the threshold for "none of these"; empty without one."""
    refusal = evaluation.refusal
    if refusal is None:
        return ""
    costs = {"validation images": refusal.validation}
    if refusal.scored is not None:
        costs["images scored here"] = refusal.scored
    rows = [
        [
            name,
            f"{cost.images:,}",
            percent(cost.refused, cost.images),
            percent(cost.right_refused, cost.images),
            "-" if cost.wrong_refused is None else percent(cost.wrong_refused, cost.images),
            "-" if cost.accuracy is None else percent(cost.accuracy, cost.images),
        ]
        for name, cost in costs.items()
    ]
    header = ["", "images", "refused", "right refused", "wrong refused", "top-1 of the others"]
    return "\n\n".join(
        [
            "## None of these",
            # Rounded up, it would refuse images that it is said to keep.
            f"A prediction below the probability **{refusal.threshold:.6f}** can be answered with "
            '"none of these". The threshold is the largest that keeps at least '
            f"{100 * refusal.coverage:g} % of the correctly classified validation images. It "
            "costs, on images that are all of a known class:",
            table(header, rows),
            "Right refused is the share of the correctly classified images that is refused, wrong "
            "refused that of the misclassified ones. How many images of other things it refuses is "
            "unknown.",
        ]
    )
