"""Fused models have the recorded operations and outputs.

`fused_record.json` was written by `record_fused.py` with an earlier implementation; the operations
of plain models on PyTorch are those of its fused attention.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import record_fused

RECORD = json.loads(Path(__file__).with_name("fused_record.json").read_text())
# The named variants differ from these only in their sizes.
MODELS = ("hybrid", "plain")


@pytest.mark.slow
@pytest.mark.every_backend
@pytest.mark.parametrize("name", MODELS)
def test_operations_and_outputs_match_the_record(name):
    found = record_fused.record(name)

    assert found["operations"] == RECORD["operations"][keras.config.backend()][name]
    np.testing.assert_allclose(found["outputs"], RECORD["outputs"][name], atol=3e-5)
