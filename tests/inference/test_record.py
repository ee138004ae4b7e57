"""Fused models have the recorded operations and outputs.

`fused_record.json` was written by `record_fused.py` with an earlier implementation.
"""

import json
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent
RECORD = json.loads((FOLDER / "fused_record.json").read_text())
# The named variants differ from these only in their sizes.
MODELS = ("hybrid", "plain")


@pytest.mark.slow
@pytest.mark.parametrize("backend", RECORD["operations"])
def test_operations_and_outputs_match_the_record(run_python, backend):
    found = run_python([FOLDER / "record_fused.py", *MODELS], backend, TF_ENABLE_ONEDNN_OPTS="1")
    for name in MODELS:
        assert found[name]["operations"] == RECORD["operations"][backend][name]
        expected = RECORD["outputs"][name]
        np.testing.assert_allclose(found[name]["outputs"], expected, atol=3e-5)
