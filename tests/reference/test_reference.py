"""Every variant equals the published model, stage by stage and in its logits.

Variants of a family differ only in sizes, so TensorFlow runs them all, and the other backends the
smallest of each family.
"""

import json
from pathlib import Path

import keras
import pytest
import windowed_model
from numpy_initializers import replace_initializers
from published_model import (
    REFERENCE,
    default_floats,
    differences,
    published_model,
    state_dict,
)

import keras_cabvit

BACKEND = keras.config.backend()
SMALLEST = ["CabViTH_T", "CabViTP_T"]
TOLERANCE = {"float32": 1e-4, "float64": 1e-5}
CASES = [(variant, "float32") for variant in SMALLEST]
if BACKEND == "tensorflow":
    CASES += [(variant, "float64") for variant in SMALLEST]
    # The larger variants differ from the smallest in sizes alone, which float32 shows.
    CASES += [(name, "float32") for name in keras_cabvit.list_models() if name not in SMALLEST]
else:
    # In float32, these two are as close on the other backends as they must be in float64, in which
    # JAX takes a quarter of a minute.
    TOLERANCE["float32"] = TOLERANCE["float64"]
if BACKEND == "torch":
    CASES.append(("CabViTP_T", "float64"))


@pytest.fixture(autouse=True)
def no_initial_weights(monkeypatch):
    replace_initializers(monkeypatch, zeros=True)  # parameters replace them


def test_reference_has_every_variant():
    assert sorted(REFERENCE) == sorted(keras_cabvit.list_models())


@pytest.mark.slow
@pytest.mark.every_backend
@pytest.mark.parametrize(("variant", "dtype"), CASES)
def test_logits_and_features_equal_the_published_model(variant, dtype):
    with default_floats(dtype):
        found = differences(published_model(variant), variant)
    assert list(found) == [*REFERENCE[variant]["features"], "logits"]
    for stage, difference in found.items():
        assert difference <= TOLERANCE[dtype], (
            f"The first wrong output is {stage}, by {difference:.2g}. All differences: {found}"
        )


@pytest.mark.slow
@pytest.mark.torch_too  # JAX compares windows with whole stages, in test_windows.py
def test_stages_in_windows_equal_those_of_the_authors_code_for_dense_prediction():
    reference = json.loads(Path(windowed_model.__file__).with_name("windowed.json").read_text())
    found = windowed_model.differences_by_size(state_dict("CabViTH_S"))
    assert list(found) == list(reference)
    for size, stages in found.items():
        assert list(stages) == list(reference[size]["features"])
        assert max(stages.values()) <= TOLERANCE["float32"], (size, stages)
