"""Weights saved on one backend load on the others and give equal logits."""

from pathlib import Path

import exchange_weights
import keras
import numpy as np
import pytest
import tiny_models

SCRIPT = Path(__file__).with_name("exchange_weights.py")


@pytest.mark.slow
def test_weights_transfer_between_all_backends(run_python, tmp_path):
    own = keras.config.backend()
    # JAX, the slowest to start, runs only once if possible.
    first, second = sorted({"tensorflow", "jax", "torch"} - {own}, key=lambda name: name == "jax")
    expected = {}
    for family, build in exchange_weights.BUILDERS.items():
        model = tiny_models.filled(build(classifier_activation=None))
        expected[family] = tiny_models.outputs(model, tiny_models.images(model))
        exchange_weights.save(model, tmp_path, family)

    def check(found, backend):
        for family, logits in found.items():
            for each in logits:
                message = f"{family} on {backend}"
                np.testing.assert_allclose(each, expected[family], atol=1e-4, err_msg=message)

    check(run_python([SCRIPT, tmp_path, own], first), first)
    check(run_python([SCRIPT, tmp_path, own, first], second), second)
    check(run_python([SCRIPT, tmp_path, second], first), first)
    for family in expected:
        for backend in (first, second):
            for model in exchange_weights.loaded(tmp_path, family, backend):
                found = tiny_models.outputs(model, tiny_models.images(model))
                check({family: [found]}, own)
