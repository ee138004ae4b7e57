import keras
import pytest

from training.devices import slow_on_cpus


@pytest.mark.parametrize(
    ("backend", "variant", "precision", "accelerator", "told"),
    [
        ("jax", "CabViTH_T", "float32", False, ["KERAS_BACKEND=tensorflow"]),
        ("torch", "CabViTH_T", "float32", False, ["KERAS_BACKEND=tensorflow"]),
        ("torch", "CabViTP_T", "float32", False, []),
        ("jax", "CabViTP_T", "float32", False, ["KERAS_BACKEND=tensorflow"]),
        ("tensorflow", "CabViTH_T", "float32", False, []),
        ("tensorflow", "CabViTH_T", "mixed_bfloat16", False, ["--precision float32"]),
        (
            "jax",
            "CabViTH_T",
            "mixed_bfloat16",
            False,
            ["KERAS_BACKEND=tensorflow", "--precision float32"],
        ),
        ("jax", "CabViTH_T", "mixed_bfloat16", True, []),
        ("tensorflow", "CabViTH_T", "mixed_bfloat16", True, []),
    ],
)
def test_a_run_on_cpus_names_the_faster_settings(
    monkeypatch, capsys, backend, variant, precision, accelerator, told
):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(slow_on_cpus, "_has_accelerator", lambda _: accelerator)

    slow_on_cpus.tell_slow_on_cpus(variant, precision)

    sentences = capsys.readouterr().out.splitlines()
    assert len(sentences) == len(told)
    for sentence, words in zip(sentences, told, strict=True):
        assert words in sentence


def test_cpus_are_not_an_accelerator():
    assert not slow_on_cpus._has_accelerator("tensorflow")
