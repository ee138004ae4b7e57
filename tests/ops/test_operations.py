"""Every operation matches its definition, on every backend."""

import keras
import numpy as np
import pytest
from tiny_models import filled

from keras_cabvit import ops
from keras_cabvit.ops import plain

pytestmark = pytest.mark.every_backend

RNG = np.random.default_rng(0)


def normal(*shape):
    return keras.ops.convert_to_tensor(RNG.standard_normal(shape).astype("float32"))


def dense(inputs, units):
    layer = keras.layers.Dense(units)
    layer.build((None, inputs))
    return filled(layer)


def assert_same(found, expected):
    found, expected = map(keras.ops.convert_to_numpy, (found, expected))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


def dropout(rate):
    return keras.layers.Dropout(rate, seed=1)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("rows", [None, 1, 5])
def test_attend(rows, training):
    query, key, value = normal(2, 3, 5, 4), normal(2, 3, 7, 4), normal(2, 3, 7, 4)
    bias = None if rows is None else normal(3, rows, 7)
    found = ops.attend(query, key, value, bias, dropout(0.0), training)
    assert_same(found, plain.attend(query, key, value, bias))
    maps = ops.attention_maps(query, key, bias)
    assert_same(keras.ops.matmul(maps, value), found)
    assert_same(keras.ops.sum(maps, axis=-1), np.ones((2, 3, 5)))


if keras.config.backend() == "torch":  # JAX's are in tests/layers/test_training_gradients.py

    @pytest.mark.parametrize("biased", [False, True])
    def test_gradients_of_attention_need_no_maps_on_pytorch(biased):
        import torch

        query, key, value, upstream = (normal(2, 3, n, 4) for n in (15, 17, 17, 15))
        inputs = [query, key, value] + biased * [normal(3, 1, 17)]
        gradients, largest = [], []
        for attend in (plain.attend, ops.attend):
            copies = [each.clone().requires_grad_() for each in inputs]
            stored = []
            with torch.autograd.graph.saved_tensors_hooks(
                lambda each, stored=stored: stored.append(each.numel()) or each, lambda each: each
            ):
                output = attend(*copies)
            gradients.append(torch.autograd.grad(output, copies, upstream))
            largest.append(max(stored))
        for found, expected in zip(*reversed(gradients), strict=True):
            assert_same(found, expected)
        maps = 2 * 3 * 15 * 17
        assert largest[1] < maps <= largest[0]


@pytest.mark.parametrize("shape", [(2, 6), (2, 3, 6), (2, 4, 5, 6)])
def test_dense(shape):
    layer, x = dense(6, 8), normal(*shape)
    residual = normal(*shape[:-1], 8)
    assert_same(ops.dense(layer, x), plain.dense(layer, x))
    assert_same(ops.dense(layer, x, residual), plain.dense(layer, x, residual))


# On TensorFlow, the next to last is cut into parts; the last is too large but cannot be cut.
@pytest.mark.parametrize("shape", [(2, 3, 6), (2, 4, 5, 6), (2, 40, 56, 6), (2, 1, 1601, 6)])
@pytest.mark.parametrize("training", [False, True])
def test_mlp(shape, training):
    expand, project, x = dense(6, 12), dense(12, 6), normal(*shape)
    residual = normal(*shape)
    assert_same(ops.mlp(expand, project, x, training=training), plain.mlp(expand, project, x))
    found = ops.mlp(expand, project, x, residual, dropout(0.0), training)
    assert_same(found, plain.mlp(expand, project, x, residual))


def test_pointwise():
    layer, x = keras.layers.Conv2D(8, 1, data_format="channels_last"), normal(2, 4, 5, 6)
    layer.build(x.shape)
    filled(layer)
    for activation in (keras.activations.linear, keras.activations.gelu):
        assert_same(ops.pointwise(layer, x, activation), plain.pointwise(layer, x, activation))


def test_activate_in_half_precision():
    x = keras.ops.cast(normal(2, 4, 5, 6), "bfloat16")
    found = ops.activate(keras.activations.gelu, x)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    # Rounded once.
    exact = keras.ops.cast(keras.activations.gelu(keras.ops.cast(x, "float32")), "bfloat16")
    assert keras.ops.all(found == exact)


def test_definitions_are_used_only_in_their_context(monkeypatch):
    called = []
    monkeypatch.setattr(plain, "dense", lambda layer, x, residual: called.append(layer))
    monkeypatch.setattr(plain, "attend", lambda *args: called.append("attend"))
    layer, x = dense(6, 8), normal(2, 6)
    query = normal(2, 3, 5, 4)
    with ops.definitions():
        ops.dense(layer, x)
        ops.attend(query, query, query, training=True)
    assert called == [layer, "attend"]
    ops.dense(layer, x)
    ops.attend(query, query, query, training=True)
    backend = keras.config.backend()
    assert (called.count("attend"), called.count(layer)) == {
        "jax": (1, 2),
        "tensorflow": (2, 1),
        "torch": (1, 2),
    }[backend]


def counted(call, called):
    def counting(x, **kwargs):
        called.append(call)
        return call(x, **kwargs)

    return counting


def lora(layer):
    layer.enable_lora(2)
    filled(layer)


@pytest.mark.parametrize(
    "change", [lora, lambda layer: layer.quantize("int8")], ids=["LoRA", "quantised"]
)
@pytest.mark.parametrize("place", [0, 1])
def test_dense_layers_that_compute_more_than_a_product_are_called(monkeypatch, change, place):
    layers, x = [dense(6, 12), dense(12, 6)], normal(2, 3, 6)
    change(layers[place])
    called = []
    for layer in layers:
        name = "quantized_call" if layer.quantization_mode else "call"
        monkeypatch.setattr(layer, name, counted(getattr(layer, name), called))
    found = ops.mlp(*layers, x, training=True)
    assert len(called) == 2
    assert_same(found, plain.mlp(*layers, x))


def test_convolution_with_lora_is_called(monkeypatch):
    layer, x = keras.layers.Conv2D(8, 1, data_format="channels_last"), normal(2, 4, 5, 6)
    layer.build(x.shape)
    lora(layer)
    called = []
    monkeypatch.setattr(layer, "call", counted(layer.call, called))
    ops.pointwise(layer, x, keras.activations.linear)
    assert called


def test_dropout_drops_in_training():
    """Dropout makes the same draws as in the definition; a fused operation would skip it."""
    expand, project, x = dense(6, 12), dense(12, 6), normal(2, 3, 6)
    found = ops.mlp(expand, project, x, dropout=dropout(0.5), training=True)
    assert_same(found, plain.mlp(expand, project, x, dropout=dropout(0.5), training=True))
    query, key = normal(2, 3, 5, 4), normal(2, 3, 7, 4)
    found = ops.attend(query, key, key, dropout=dropout(0.5), training=True)
    expected = plain.attend(query, key, key, dropout=dropout(0.5), training=True)
    assert_same(found, expected)
    without = keras.ops.convert_to_numpy(plain.attend(query, key, key))
    assert np.abs(keras.ops.convert_to_numpy(found) - without).max() > 0.1
