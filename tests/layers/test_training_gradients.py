from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def layers(run_python):
    return run_python([Path(__file__).with_name("training_gradients.py")], "jax")


def test_recomputed_gradients_are_exact(layers):
    assert {name: layer["difference"] for name, layer in layers.items()} == pytest.approx(
        dict.fromkeys(layers, 0), abs=1e-6
    )


def test_training_stores_no_attention_maps_or_hidden_activations(layers):
    kept = {name: layer["kept"] for name, layer in layers.items()}
    # As a control: the arrays are there when nothing is recomputed.
    assert all(layer["kept_at_inference"] > kept[name] for name, layer in layers.items())
    assert set(kept.values()) == {0}
