import numpy as np
import pytest

from training.compare import compare, score_forms
from training.evaluate import evaluate

IMAGES, LABELS = np.zeros((2, 1, 1, 1), "uint8"), np.zeros(2, int)


@pytest.mark.parametrize("wrong", [{"latency_rounds": 0}, {"batch_size": -1}, {"batch_size": 1.5}])
@pytest.mark.parametrize(
    "score",
    [
        lambda **wrong: evaluate("none", **wrong),
        lambda **wrong: compare(["none"], **wrong),
        # A form that fails as soon as it is run.
        lambda **wrong: score_forms({"none": (".", None)}, IMAGES, LABELS, **wrong),
    ],
    ids=["evaluate", "compare", "score_forms"],
)
def test_numbers_below_1_are_refused_before_a_model_is_run(score, wrong):
    ((name, value),) = wrong.items()
    sentence = f"`{name}` must be an integer of at least 1. Received: {name}={value}"
    with pytest.raises(ValueError, match=sentence):
        score(**wrong)
