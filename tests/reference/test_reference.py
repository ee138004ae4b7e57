"""Every variant equals the published model, stage by stage and in its logits."""

import json
from pathlib import Path

import pytest

import keras_cabvit

FOLDER = Path(__file__).parent
REFERENCE = json.loads((FOLDER / "reference.json").read_text())
# Stages in windows, of the authors' code for dense prediction.
WINDOWED = json.loads((FOLDER / "windowed.json").read_text())
TOLERANCE = {"float32": 1e-4, "float64": 1e-5}

# Variants of a family differ only in sizes, so one backend runs them all, and the others the
# smallest of each family; PyTorch, which the published model runs on, the paper's main model too.
# One process runs several: starting a backend takes longer than a small model.
CASES = [
    ("tensorflow", [*keras_cabvit.list_models(), "windowed"]),
    ("torch", ["CabViTH_S", "CabViTH_T", "CabViTP_T", "windowed"]),
    ("jax", ["CabViTH_T", "CabViTP_T", "windowed"]),
]


def test_reference_has_every_variant():
    assert sorted(REFERENCE) == sorted(keras_cabvit.list_models())


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "variants"), CASES, ids=[backend for backend, _ in CASES])
def test_logits_and_features_equal_the_published_model(run_python, backend, variants):
    found = run_python([FOLDER / "check_reference.py", *variants], backend)
    if "windowed" in variants:
        windowed = found.pop("windowed")
        assert list(windowed) == list(WINDOWED)
        for size, differences in windowed.items():
            assert list(differences) == list(WINDOWED[size]["features"])
            assert max(differences.values()) <= TOLERANCE["float32"], (size, differences)
    for variant in found:
        in_float64 = variant in ("CabViTH_T", "CabViTH_S", "CabViTP_T")
        assert set(found[variant]) - {"fused"} == ({*TOLERANCE} if in_float64 else {"float32"})
        for dtype in found[variant].keys() & TOLERANCE.keys():
            tolerance = TOLERANCE[dtype]
            # In the model's order, so that the first wrong output locates the error.
            assert list(found[variant][dtype]) == [*REFERENCE[variant]["features"], "logits"]
            for stage, difference in found[variant][dtype].items():
                assert difference <= tolerance, (
                    f"{variant} on {backend} in {dtype}: the first wrong output is {stage}, by "
                    f"{difference:.2g}. All differences: {found[variant][dtype]}"
                )
        assert found[variant].get("fused", 0) <= 1e-5
