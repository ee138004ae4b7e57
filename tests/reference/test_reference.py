"""Every variant equals the published model, stage by stage and in its logits."""

import json
import math
from pathlib import Path

import pytest

import keras_cabvit
from keras_cabvit.models import build_variant

FOLDER = Path(__file__).parent
REFERENCE = json.loads((FOLDER / "reference.json").read_text())
TOLERANCE = {"float32": 1e-4, "float64": 1e-5}

# Variants of a family differ in sizes alone, so one backend runs them all, and the others the
# smallest of each family; PyTorch, which the published model runs on, the paper's main model too.
CASES = [("tensorflow", variant) for variant in REFERENCE]
CASES += [("torch", variant) for variant in ("CabViTH_S", "CabViTH_T", "CabViTP_T")]
CASES += [("jax", variant) for variant in ("CabViTH_T", "CabViTP_T")]


def test_reference_has_every_variant():
    assert sorted(REFERENCE) == sorted(keras_cabvit.list_models())


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "variant"), CASES)
def test_logits_and_features_equal_the_published_model(run_python, backend, variant):
    found = run_python([FOLDER / "check_reference.py", variant], backend)
    for dtype, tolerance in TOLERANCE.items():
        # In the model's order, so that the first wrong output locates the error.
        for stage, difference in found[dtype].items():
            assert difference <= tolerance, (
                f"{variant} on {backend} in {dtype}: the first wrong output is {stage}, by "
                f"{difference:.2g}. All differences: {found[dtype]}"
            )
    assert found.get("fused", 0) <= 1e-5


@pytest.mark.parametrize("variant", REFERENCE)
def test_parameter_count_equals_the_published_model(variant):
    model = build_variant(variant)
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert parameters == REFERENCE[variant]["parameters"]
