"""The models train in half precision and run in double precision."""

import keras
import numpy as np
import pytest
import tiny_models
from tiny_models import filled, images, outputs, with_weights_of

BUILDERS = [pytest.param(tiny_models.hybrid, marks=pytest.mark.slow), tiny_models.plain]


def hybrid_model(**options):
    """Builds a hybrid model, or on JAX a model of all its layers, for which XLA takes a third."""
    if keras.config.backend() == "jax":
        return tiny_models.two_blocks(stem=True, **options)
    return tiny_models.hybrid(depths=(1, 1, 2, 1), **options)


def plain_model(**options):
    depth = 1 if keras.config.backend() == "jax" else 2
    return tiny_models.plain(depth=depth, **options)


@pytest.mark.every_backend
@pytest.mark.parametrize(
    ("builder", "policy"),
    [
        pytest.param(hybrid_model, "mixed_bfloat16", marks=pytest.mark.slow),
        (plain_model, "mixed_float16"),
    ],
)
def test_a_training_step(builder, policy, restored_settings):
    keras.config.set_dtype_policy(policy)
    model = builder(drop_path_rate=0.1)
    # TensorFlow takes 20 s to build a graph that this test would run once.
    run_eagerly = keras.config.backend() == "tensorflow"
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=run_eagerly)
    loss = model.train_on_batch(images(model), np.array([0, 1]))
    assert np.isfinite(loss)
    for weight in model.weights:
        assert weight.dtype == "float32"
        assert np.isfinite(keras.ops.convert_to_numpy(weight)).all(), weight.path


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("builder", BUILDERS)
def test_half_precision_is_close_to_float32(builder, policy, restored_settings):
    model = filled(builder())
    keras.config.set_dtype_policy(policy)
    half = with_weights_of(model, builder())
    found = outputs(half, images(model))
    assert found.dtype == "float32"
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found, outputs(model, images(model)), atol=0.1)


@pytest.mark.parametrize("builder", BUILDERS)
def test_float64(builder, restored_settings):
    model = filled(builder())
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    double = with_weights_of(model, builder())
    found = outputs(double, images(model).astype("float64"))
    assert found.dtype == "float64"
    assert {weight.dtype for weight in double.weights} == {"float64"}
    np.testing.assert_allclose(found, outputs(model, images(model)), atol=1e-5)
