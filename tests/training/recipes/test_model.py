import dataclasses
import shutil

import keras
import numpy as np
import pytest

from training.recipes.model import build_model
from training.recipes.recipe import ModelOptions

SMALL = ModelOptions(
    "CabViTP",
    image_size=(32, 48),
    embed_dims=(12,),
    depths=(3,),
    num_heads=(2,),
    patch_size=8,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small model, and its weights in both kinds of file."""
    keras.utils.set_random_seed(1)
    model = build_model(SMALL, classes=4)
    folder = tmp_path_factory.mktemp("files")
    model.save_weights(folder / "small.weights.h5")
    model.save(folder / "small.keras")
    return folder, model


def test_options_reach_the_model():
    options = dataclasses.replace(SMALL, max_digests=0, enhance=False, layer_scale_init=0.5)
    names = {weight.path.rsplit("/")[-1] for weight in build_model(options, classes=4).weights}

    assert "moving_mean" not in names  # of the enhancement's BatchNorm
    assert "digest_bias" not in names
    assert build_model(SMALL, classes=4).input_shape == (None, 32, 48, 3)
    scaled = {weight.path.rsplit("/")[-1] for weight in build_model(SMALL, classes=4).weights}
    unscaled = build_model(dataclasses.replace(SMALL, scale_digests=False), classes=4).weights
    assert scaled - {weight.path.rsplit("/")[-1] for weight in unscaled} == {"digest_scale"}


def test_variant_keeps_its_sizes_by_default():
    with keras.StatelessScope(initialize_variables=False):  # it needs no values
        model = build_model(ModelOptions("CabViTH_T", (32, 32), drop_path_rate=0.3), classes=2)

    stage = model.get_layer("stage_3")
    assert stage.output.shape[-1] == 320
    assert stage.blocks[-1].channel_mixing.drop_path_rate == pytest.approx(0.3)


@pytest.mark.parametrize("name", ["small.weights.h5", "small.keras"])
@pytest.mark.parametrize("classes", [4, 7])
def test_initial_weights_are_copied_and_the_classifier_if_it_fits(files, name, classes):
    folder, source = files
    options = dataclasses.replace(SMALL, initial_weights=str(folder / name))
    model = build_model(options, classes)

    for layer in model.layers:
        pairs = zip(layer.get_weights(), source.get_layer(layer.name).get_weights(), strict=True)
        same = [a.shape == b.shape and np.array_equal(a, b) for a, b in pairs]
        assert all(same) == (layer.name != "predictions" or classes == 4), layer.name


@pytest.mark.parametrize("name", ["small.weights.h5", "small.keras"])
def test_classifier_of_initial_weights_is_matched_by_name(files, tmp_path, name, capsys):
    folder, source = files
    shutil.copy(folder / name, tmp_path)
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat\ndog\n")
    options = dataclasses.replace(SMALL, initial_weights=str(tmp_path / name))
    kernel = source.get_layer("predictions").get_weights()[0]

    model = build_model(options, 4, ("Dog", "ant", "bee", "cat"))
    found = model.get_layer("predictions").get_weights()[0]
    np.testing.assert_array_equal(found, kernel[:, [3, 0, 1, 2]])
    assert "Dog is dog" in capsys.readouterr().out

    model = build_model(options, 4, ("ant", "bee", "cat", "elk"))
    assert not np.isin(model.get_layer("predictions").get_weights()[0], kernel).any()
    assert "trained on other classes: the classifier starts anew" in capsys.readouterr().out


def test_initial_weights_may_be_those_of_another_image_size(files):
    folder, source = files
    options = dataclasses.replace(
        SMALL, image_size=(64, 48), initial_weights=str(folder / "small.keras")
    )
    model = build_model(options, classes=7)

    for name in ("stage", "head_norm"):
        for weight, expected in zip(
            model.get_layer(name).get_weights(), source.get_layer(name).get_weights(), strict=True
        ):
            if weight.shape == expected.shape:
                np.testing.assert_array_equal(weight, expected)
    positions, expected = (
        np.array(each.get_layer("patch_embedding").patch_positions) for each in (model, source)
    )
    assert (positions.shape, expected.shape) == ((8, 6, 12), (4, 6, 12))
    np.testing.assert_array_equal(positions[0], expected[0])
    np.testing.assert_allclose(positions[1], 0.75 * expected[0] + 0.25 * expected[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"variant": "CabViT"},
            "`variant` must be one of CabViTH_T, .* Received: variant='CabViT'",
        ),
        ({"depths": None}, "has no sizes of its own: give embed_dims, depths, num_heads"),
        ({"depths": (1, 2)}, r"`depths` must be one number for a plain model. Received: \(1, 2\)"),
        ({"initial_weights": "no.weights.h5"}, "there is no such file"),
        ({"initial_weights": "imagenet"}, "needs one of the variants CabViTH_T"),
    ],
)
def test_wrong_options_give_a_clear_error(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_model(dataclasses.replace(SMALL, **changes), classes=4)


def test_patches_of_a_hybrid_are_refused():
    message = "`patch_size` belongs to plain models.* patch_size=4 with variant='CabViTH_T'"
    with pytest.raises(ValueError, match=message):
        build_model(ModelOptions("CabViTH_T", patch_size=4), classes=4)


@pytest.mark.parametrize("name", ["small.weights.h5", "small.keras"])
def test_weights_of_another_model_give_a_clear_error(files, name):
    options = dataclasses.replace(SMALL, embed_dims=(24,), initial_weights=str(files[0] / name))
    with pytest.raises(ValueError, match=r"(belong to another model|do not fit)"):
        build_model(options, classes=4)


def test_damaged_model_file_gives_a_clear_error(tmp_path):
    (tmp_path / "bad.keras").write_bytes(b"no model")
    options = dataclasses.replace(SMALL, initial_weights=str(tmp_path / "bad.keras"))

    with pytest.raises(ValueError, match=r"bad\.keras is not a Keras model"):
        build_model(options, classes=4)
