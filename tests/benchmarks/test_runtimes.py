import json
import re

import numpy as np
import pytest
from backend_process import REPOSITORY

from benchmarks.runtimes.__main__ import EXPECTED, OPENED_BY
from benchmarks.runtimes.browser import RUNTIMES as IN_A_BROWSER
from benchmarks.runtimes.forms import TOLERANCES
from benchmarks.runtimes.outcomes import changes, outcome, refused


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        ([[0.7, 0.3]], "equal"),
        ([[0.71, 0.29]], "wrong"),
        ([[np.nan, 0.3]], "wrong"),
        ([[0.7, 0.3, 0.0]], "wrong"),
    ],
)
def test_scores_that_differ_or_are_not_finite_are_wrong(scores, kind):
    assert outcome("ONNX", np.array(scores), np.array([[0.7, 0.3]])).kind == kind


def test_every_outcome_that_is_not_the_expected_one_is_named():
    found = {
        ("ONNX", "onnxruntime"): outcome("ONNX", np.ones((1, 2)), np.zeros((1, 2))),
        ("ONNX", "OpenVINO"): refused("Traceback\n  in f\nValueError: no operator Erfc\n"),
        ("SavedModel", "TensorFlow"): outcome("SavedModel", np.ones((1, 2)), np.ones((1, 2))),
    }
    expected = {form: {runtime: "equal"} for form, runtime in found}
    expected["ONNX"] = {"onnxruntime": "equal", "OpenVINO": "equal"}

    first, second = changes(found, expected)
    assert "ONNX in onnxruntime: wrong, 1 apart, expected equal" in first
    assert "refused, expected equal. ValueError: no operator Erfc" in second


def test_an_outcome_is_expected_of_every_form_in_every_runtime_that_opens_it():
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))

    assert set(expected) == set(TOLERANCES)
    for form, outcomes in expected.items():
        kind = form.split()[0].rstrip(",")
        browsers = IN_A_BROWSER if kind == "TFLite" else ()
        assert set(outcomes) == {*OPENED_BY[kind], *browsers}


def test_page_has_the_expected_outcomes():
    text, _, _ = (REPOSITORY / "docs" / "runtimes.md").read_text("utf-8").partition("## Latency")
    found = {}
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        header, _, *rows = (
            [cell.strip() for cell in line.split("|")[1:-1]] for line in table.split("\n")[:-1]
        )
        for form, *cells in rows:
            found[form] = dict(zip(header[1:], (cell.split(",")[0] for cell in cells), strict=True))
    assert found == json.loads(EXPECTED.read_text(encoding="utf-8"))
