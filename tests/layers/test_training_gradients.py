"""Training on JAX recomputes attention maps and hidden activations instead of storing them."""

import keras
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def layers():
    import training_gradients

    return training_gradients.results()


if keras.config.backend() == "jax":  # where `test_every_backend.py` runs them

    @pytest.mark.every_backend
    def test_recomputed_gradients_are_exact(layers):
        assert {name: layer["difference"] for name, layer in layers.items()} == pytest.approx(
            dict.fromkeys(layers, 0), abs=1e-6
        )

    @pytest.mark.every_backend
    def test_training_stores_no_attention_maps_or_hidden_activations(layers):
        kept = {name: layer["kept"] for name, layer in layers.items()}
        # As a control: the arrays are there when nothing is recomputed.
        assert all(layer["kept_at_inference"] > kept[name] for name, layer in layers.items())
        assert set(kept.values()) == {0}
