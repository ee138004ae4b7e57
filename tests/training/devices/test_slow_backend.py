import keras
import pytest

from training.devices import slow_backend


@pytest.mark.parametrize(
    ("backend", "accelerator", "told"),
    [
        ("jax", False, "JAX trains"),
        ("torch", False, "PyTorch trains"),
        ("jax", True, ""),
        ("tensorflow", False, ""),
    ],
)
def test_a_run_on_processors_names_the_faster_backend(
    monkeypatch, capsys, backend, accelerator, told
):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(slow_backend, "_has_accelerator", lambda _: accelerator)

    slow_backend.tell_slow_backend()

    printed = capsys.readouterr().out
    assert printed.startswith(told)
    assert ("KERAS_BACKEND=tensorflow" in printed) == bool(told)
