"""A new model's weights are drawn as in the published model."""

import math

import keras
import numpy as np
import pytest
import tiny_models

# JAX compiles a program for each of a hybrid model's shapes, and draws by the same initialisers.
FAMILIES = {"hybrid": tiny_models.hybrid, "plain": tiny_models.plain}
if keras.config.backend() == "jax":
    del FAMILIES["hybrid"]

# Sums of the absolute initial weights of the hybrid and the plain model with seed 0, by backend.
RECORDED = {
    "tensorflow": {"hybrid": 4535.672544951, "plain": 1155.363414015},
    "jax": {"plain": 1154.992805306},
    "torch": {"hybrid": 4548.339127353, "plain": 1152.789435356},
}


def values(model):
    """Returns (path, array) of every weight."""
    return [(weight.path, keras.ops.convert_to_numpy(weight)) for weight in model.weights]


def assert_standard_deviation(path, array, expected):
    # 5 standard errors of the estimate for a normal distribution.
    tolerance = 5 * expected / math.sqrt(2 * array.size)
    assert abs(array.std() - expected) < tolerance, path


def assert_plain_normal(path, array):
    assert_standard_deviation(path, array, 0.02)
    if array.size > 2000:
        # Beyond two standard deviations Keras' TruncatedNormal has nothing, the normal 4.6 %.
        assert 0.02 < np.mean(np.abs(array) > 0.04) < 0.08, path


@pytest.fixture(scope="module")
def new_models():
    keras.utils.set_random_seed(0)
    return {family: values(build()) for family, build in FAMILIES.items()}


@pytest.mark.torch_too
def test_kernels_of_the_hybrid_model(new_models):
    kernels = [(path, array) for path, array in new_models["hybrid"] if path.endswith("/kernel")]
    assert len(kernels) > 40
    for path, array in kernels:
        assert_plain_normal(path, array)


@pytest.mark.every_backend
def test_dense_kernels_of_the_plain_model(new_models):
    for path, array in new_models["plain"]:
        if path.endswith("/kernel") and array.ndim == 2:
            assert_plain_normal(path, array)


@pytest.mark.every_backend
def test_convolutions_of_the_plain_model(new_models):
    convolutions = [
        (path, array)
        for path, array in new_models["plain"]
        if path.endswith("/kernel") and array.ndim == 4
    ]
    # The patch projection, and enhancement in three blocks; the last block does not merge.
    assert len(convolutions) == 1 + 3 + 2
    for path, array in convolutions:
        side, _, inputs, outputs = array.shape
        fan_in = side**2 * (1 if outputs == 1 else inputs)
        limit = 1 / math.sqrt(fan_in)
        assert np.abs(array).max() <= limit * (1 + 1e-6), path
        assert_standard_deviation(path, array, limit / math.sqrt(3))


@pytest.mark.every_backend
def test_class_token_and_positions_of_the_plain_model(new_models):
    found = [
        (path, array)
        for path, array in new_models["plain"]
        if path.rsplit("/")[-1] in ("class_token", "class_position", "patch_positions")
    ]
    assert len(found) == 3
    for path, array in found:
        assert_plain_normal(path, array)


@pytest.mark.torch_too
def test_all_other_initial_weights(new_models):
    start = {
        "beta": 0.0,
        "bias": 0.0,
        "position_bias": 0.0,
        "digest_bias": 0.0,
        "digest_scale": 1.0,
        "moving_mean": 0.0,
        "moving_variance": 1.0,
    }
    seen = set()
    for path, array in new_models["hybrid"] + new_models["plain"]:
        name = path.rsplit("/")[-1]
        if name in start and "patch_embedding" not in path:
            seen.add(name)
            np.testing.assert_array_equal(array, start[name], err_msg=path)
        elif name == "gamma":
            expected = 1e-6 if "layer_scale" in path else 1.0
            np.testing.assert_array_equal(array, np.float32(expected), err_msg=path)
    assert seen == set(start)


@pytest.mark.every_backend
def test_bias_of_the_patch_projection(new_models):
    bias = [
        array
        for path, array in new_models["plain"]
        if path.endswith("projection/bias")
        or ("patch_embedding" in path and path.endswith("/bias"))
    ]
    limit = 1 / math.sqrt(8 * 8 * 3)
    assert 0 < np.abs(bias[0]).max() <= limit


@pytest.mark.every_backend
def test_no_two_kernels_are_alike(new_models):
    for model in new_models.values():
        kernels = [array for path, array in model if path.endswith("/kernel")]
        for index, kernel in enumerate(kernels):
            for other in kernels[:index]:
                assert kernel.shape != other.shape or np.abs(kernel - other).max() > 0


@pytest.mark.every_backend
@pytest.mark.parametrize("family", FAMILIES)
def test_weights_of_a_seed_are_the_recorded_ones(family):
    keras.utils.set_random_seed(0)
    model = FAMILIES[family]()
    total = sum(np.abs(weight, dtype="float64").sum() for weight in model.get_weights())
    assert total == pytest.approx(RECORDED[keras.backend.backend()][family], rel=1e-6)
