import keras
import numpy as np
import pytest
import tiny_models

from keras_cabvit.weights import load_weights, transfer_weights

BUILDERS = {"hybrid": tiny_models.hybrid, "plain": tiny_models.plain}


def weights_named(model, name):
    """Returns all weights of that name, as arrays."""
    return [np.array(weight) for weight in model.weights if weight.name == name]


def set_weights_named(model, name, value):
    """Sets all weights of that name to the value of a function of their shape."""
    for weight in model.weights:
        if weight.name == name:
            weight.assign(value(tuple(weight.shape)))


def distances(shape):
    """A bias that grows with the distance, as a share of the image."""
    _, rows, columns = shape
    return np.broadcast_to(
        np.arange(rows)[:, None] / rows + 10 * np.arange(columns) / columns, shape
    )


def places(shape, stride=1):
    """A value that grows along the image, with the place of the centre of each token.

    Args:
        shape: shape that ends in rows and columns.
        stride: tokens from one to the next; the first is at the edge.
    """
    rows, columns = (
        (stride * np.arange(side) + 0.5) / (stride * side) for side in tuple(shape)[-2:]
    )
    return np.broadcast_to(rows[:, None] + 10 * columns, shape)


def digests(shape):
    """The same, of digest tokens: one is centred on the first of four tokens."""
    return places(shape, stride=4)


@pytest.mark.parametrize("family", BUILDERS)
def test_weights_are_copied_at_the_same_size(family):
    source = tiny_models.filled(BUILDERS[family]())
    model = BUILDERS[family]()
    transfer_weights(model, source)

    for weight, value in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.slow
def test_a_smaller_grid_keeps_the_values_of_its_positions_and_distances():
    # Its grids are half as fine, 16x8 for 8x4 tokens and 4x2 for 2x1 digest tokens.
    source = tiny_models.filled(tiny_models.hybrid(input_shape=(256, 128, 3)))
    set_weights_named(source, "position_bias", distances)
    for name in ("digest_bias", "digest_scale"):
        set_weights_named(source, name, digests)
    model = tiny_models.hybrid(input_shape=(128, 64, 3), classes=3)
    classifier = [np.array(value) for value in model.layers[-1].get_weights()]
    with pytest.warns(UserWarning, match="The classifier of 3 classes keeps its own values"):
        transfer_weights(model, source)

    compared = 0
    for name, expected in (
        ("position_bias", distances),
        ("digest_bias", digests),
        ("digest_scale", digests),
    ):
        for value in weights_named(model, name):
            np.testing.assert_allclose(value, expected(value.shape), rtol=1e-6)
            compared += 1
    assert compared == 11
    for weight, other in zip(model.layers[-1].get_weights(), classifier, strict=True):
        np.testing.assert_array_equal(weight, other)


@pytest.mark.slow
def test_a_larger_grid_and_back_gives_the_same_model():
    source = tiny_models.filled(tiny_models.hybrid())
    larger = tiny_models.hybrid(input_shape=(128, 192, 3))
    again = tiny_models.hybrid()
    transfer_weights(larger, source)
    transfer_weights(again, larger)

    for weight, expected in zip(again.weights, source.weights, strict=True):
        np.testing.assert_allclose(np.array(weight), np.array(expected), atol=1e-6)


def test_plain_models_positions_keep_their_place_in_the_image():
    source, model = tiny_models.plain(), tiny_models.plain(input_shape=(16, 16, 3))
    positions = source.get_layer("patch_embedding").patch_positions
    rows, columns, channels = positions.shape
    positions.assign(np.moveaxis(np.stack([places((rows, columns))] * channels), 0, -1))
    transfer_weights(model, source)

    found = np.array(model.get_layer("patch_embedding").patch_positions)
    assert found.shape[:2] < (rows, columns)
    np.testing.assert_allclose(found[..., 0], places(found.shape[:2]), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "other", [{"embed_dims": (8, 16, 32, 32)}, {"depths": (1, 1, 2, 2)}, {"max_digests": 1}]
)
def test_another_model_gives_a_clear_error_and_changes_nothing(other):
    source = tiny_models.filled(tiny_models.hybrid(**other))
    model = tiny_models.hybrid()
    before = [np.array(weight) for weight in model.get_weights()]

    with pytest.raises(ValueError, match=r"another model.* is '(stage_2|merging_3)'"):
        transfer_weights(model, source)
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_last_layer_of_the_users_own_may_have_the_name_of_the_classifier(tmp_path):
    backbone = tiny_models.plain(depth=1, include_top=False, pooling="avg")
    x = keras.layers.Dense(4, name="scores")(backbone.output)
    model = keras.Model(backbone.input, keras.layers.Activation("softmax", name="predictions")(x))
    expected = [np.array(weight) for weight in tiny_models.filled(model).weights]
    model.save_weights(tmp_path / "model.weights.h5")
    tiny_models.filled(model, seed=1)
    load_weights(model, tmp_path / "model.weights.h5")

    for weight, value in zip(model.weights, expected, strict=True):
        np.testing.assert_array_equal(weight, value)
