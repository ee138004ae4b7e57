"""Outcomes of opening a form in a runtime: equal, wrong or refused."""

from dataclasses import dataclass

import numpy as np

from benchmarks.runtimes.forms import TOLERANCES


@dataclass(frozen=True)
class Outcome:
    """Outcome of opening a form in a runtime.

    Attributes:
        kind: "equal", "wrong" or "refused".
        difference: largest difference of a probability; None if there are none.
        said: the runtime's refusal in one line, or "".
        milliseconds: time of one image, or None.
    """

    kind: str
    difference: float | None = None
    said: str = ""
    milliseconds: float | None = None


def outcome(form, scores, expected, milliseconds=None):
    """Compares probabilities (count, classes) with the expected ones."""
    if scores.shape != expected.shape or not np.isfinite(scores).all():
        return Outcome("wrong", milliseconds=milliseconds)
    difference = float(np.abs(scores - expected).max())
    kind = "equal" if difference <= TOLERANCES[form] else "wrong"
    return Outcome(kind, difference, milliseconds=milliseconds)


def refused(text):
    """Returns the outcome of a runtime that raised an error or ended."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return Outcome("refused", said=lines[-1][:200] if lines else "")


def changes(found, expected):
    """Returns a sentence for every outcome that is not the expected one.

    Args:
        found: dict from (form, runtime) to an `Outcome`.
        expected: dict from a form to a dict from a runtime to the kind of its outcome.
    """
    sentences = []
    for (form, runtime), each in found.items():
        before = expected.get(form, {}).get(runtime)
        if each.kind != before:
            difference = "" if each.difference is None else f", {each.difference:.1g} apart"
            sentences.append(
                f"{form} in {runtime}: {each.kind}{difference}, expected {before}. {each.said}"
            )
    return sentences
