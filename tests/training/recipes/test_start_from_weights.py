"""Initial weights: what is copied from which file, and what is said."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from small_model import SMALL

from training.recipes.initial_weights import start_from_weights
from training.recipes.model import build_model
from training.recipes.recipe import ModelOptions

NAMES = ("cat", "café", "dog", "owl")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small model, and its weights in both kinds of file, with the names of its classes."""
    keras.utils.set_random_seed(1)
    model = build_model(SMALL, classes=4)
    folder = tmp_path_factory.mktemp("files")
    model.save_weights(folder / "small.weights.h5")
    model.save(folder / "small.keras")
    (folder / "labels.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    return folder, model


def started(file, class_names=NAMES, **changes):
    """A model that was started from a file, and the sentence."""
    options = dataclasses.replace(SMALL, initial_weights=str(file), **changes)
    model = build_model(options, len(class_names))
    return model, start_from_weights(model, options, class_names)


def has_the_classifier_of(source, model):
    kernel, expected = (each.get_layer("predictions").kernel for each in (model, source))
    return np.array_equal(np.array(kernel), np.array(expected))


@pytest.mark.parametrize("name", ["small.weights.h5", "small.keras"])
def test_all_layers_are_copied(files, name):
    folder, source = files
    model, sentence = started(folder / name)

    for weight, expected in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert sentence == (
        f"Starting from the weights {folder / name} (48x32): all layers, with the classifier."
    )


@pytest.mark.parametrize("name", ["small.weights.h5", "small.keras"])
@pytest.mark.parametrize(
    ("class_names", "places", "end"),
    [
        (("cat", "cafe\u0301", "dog", "owl"), [0, 1, 2, 3], "classifier."),  # in another form
        (("Dog", "café", "owl", "cat"), [2, 1, 3, 0], "Dog is dog."),
        (("owl", "cat"), [3, 0], "it has none of café, dog."),
        (("bird", "fish", "frog", "toad"), None, "all layers. The classifier is new."),
        (("cat", "café", "dog", "elk"), None, "all layers. The classifier is new."),
    ],
)
def test_classifier_is_copied_by_name(files, name, class_names, places, end):
    folder, source = files
    model, sentence = started(folder / name, class_names)

    kernel, expected = (each.get_layer("predictions").get_weights()[0] for each in (model, source))
    if places is None:
        assert not np.isin(kernel, expected).any()
    else:
        np.testing.assert_array_equal(kernel, expected[:, places])
    assert sentence.endswith(end)
    for weight, expected in zip(
        model.get_layer("stage").get_weights(), source.get_layer("stage").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(weight, expected)


def test_classifier_can_be_asked_for_or_declined(files):
    folder, source = files
    others = ("a", "b", "c", "d")
    asked, _ = started(folder / "small.keras", others, initial_classifier=True)
    declined, _ = started(folder / "small.keras", initial_classifier=False)
    assert has_the_classifier_of(source, asked)
    assert not has_the_classifier_of(source, declined)
    with pytest.raises(
        ValueError, match=r"`initial_classifier=True` needs .* 2 classes\. Received: 4"
    ):
        started(folder / "small.keras", ("a", "b"), initial_classifier=True)


@pytest.mark.parametrize("name", ["small.weights.h5", "small.keras"])
def test_weights_of_another_image_size_are_resampled(files, name):
    folder, source = files
    model, sentence = started(folder / name, image_size=(64, 48))

    assert "(48x32): all layers, resampled to 48x64, with" in sentence
    for layer in ("stage", "head_norm"):
        for weight, expected in zip(
            model.get_layer(layer).get_weights(), source.get_layer(layer).get_weights(), strict=True
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
    ("weights", "sentence"),
    [
        ("no.weights.h5", "there is no such file. Received: initial_weights='no.weights.h5'"),
        ("imagenet", "needs one of the variants CabViTH_T"),
        ("tiny_imagenet", "needs one of the variants CabViTH_T"),
    ],
)
def test_missing_weights_give_a_clear_error(weights, sentence):
    with pytest.raises(ValueError, match=sentence):
        started(weights)


@pytest.mark.parametrize("name", ["small.weights.h5", "small.keras"])
def test_weights_of_another_model_give_a_clear_error(files, name):
    with pytest.raises(ValueError, match=r"(belong to another model|do not fit)"):
        started(files[0] / name, embed_dims=(24,))


def test_weights_of_another_variant_name_it(tmp_path):
    tiny = build_model(ModelOptions("CabViTH_T", image_size=(32, 32)), classes=2)
    tiny.save_weights(tmp_path / "tiny.weights.h5")
    options = ModelOptions(
        "CabViTP_T", image_size=(32, 32), initial_weights=str(tmp_path / "tiny.weights.h5")
    )
    with pytest.raises(ValueError, match="weights of CabViTH_T, and the model is CabViTP_T: give "):
        start_from_weights(build_model(options, classes=2), options)


def test_damaged_model_file_gives_a_clear_error(tmp_path):
    (tmp_path / "bad.keras").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"bad\.keras is not a Keras model"):
        started(tmp_path / "bad.keras")


@pytest.mark.slow
def test_terms_of_the_weights_in_the_package_are_printed():
    options = ModelOptions("CabViTH_T", (64, 64), initial_weights="tiny_imagenet")
    said = start_from_weights(build_model(options, 2), options)

    assert said.count("non-commercial research only") == 1
    assert Path(said.split()[-1]).is_file()


def test_weights_of_a_smaller_size_start_a_training_at_several_sizes(files):
    folder, _ = files
    sizes = {"image_size": (64, 64), "image_sizes": (32, 64)}
    _, sentence = started(folder / "small.weights.h5", **sizes)

    assert "(48x32)" in sentence


def test_last_layer_of_the_users_own_gives_a_new_classifier(files, tmp_path):
    source = build_model(SMALL, classes=4)
    features = source.get_layer("head_norm").output
    scores = keras.layers.Dense(4, name="scores")(features)
    last = keras.layers.Activation("softmax", name="predictions")(scores)
    keras.Model(source.input, last).save(tmp_path / "own.keras")
    (tmp_path / "labels.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")

    assert "the classifier is new" in started(tmp_path / "own.keras")[1].lower()
