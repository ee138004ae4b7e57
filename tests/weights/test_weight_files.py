"""A `.weights.h5` file restores all of a model's weights, or changes nothing."""

import shutil

import keras
import numpy as np
import pytest
import tiny_models
from model_weights import assert_equal, weights_of
from small_disk import files_of_at_most

from keras_cabvit.finetuning import enable_lora
from keras_cabvit.runtimes import load_keras
from keras_cabvit.runtimes.opened_model import open_model
from keras_cabvit.weights import load_weights, save_weights
from training.recipes.initial_weights import start_from_weights
from training.recipes.recipe import ModelOptions

BUILDERS = {"hybrid": tiny_models.hybrid, "plain": tiny_models.plain}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A function from a family to a model with random weights and the file that it saved."""
    folder = tmp_path_factory.mktemp("saved")
    models = {}

    def saved(family):
        if family not in models:
            model = tiny_models.filled(BUILDERS[family]())
            models[family] = model, save_weights(model, folder / f"{family}.weights.h5")
        return models[family]

    return saved


def assert_refused(model, path):
    """Asserts that an unsuitable file gives a clear error and changes nothing."""
    before = weights_of(model)
    with pytest.raises(ValueError, match="saved by a model of the same arguments") as raised:
        load_weights(model, path)
    assert f"The weights in {path} do not fit model '{model.name}'" in str(raised.value)
    assert_equal(model.get_weights(), before)


@pytest.mark.parametrize("family", BUILDERS)
def test_a_file_restores_the_weights(saved, family):
    model, path = saved(family)
    assert_equal(BUILDERS[family](weights=path).get_weights(), model.get_weights())
    assert_equal(BUILDERS[family](weights=str(path)).get_weights(), model.get_weights())


def without_classifier(model, pooling):
    """Returns the part of `model` that equals a model without the classifier."""
    norm = model.get_layer("head_norm")
    if model.name == "cabvit_p":
        tokens = norm.output
        return {
            None: tokens,
            "token": tokens[:, 0],
            "avg": keras.ops.mean(tokens[:, 1:], axis=1),
            "max": keras.ops.max(tokens[:, 1:], axis=1),
        }[pooling]
    features = model.get_layer("stage_3").output
    if pooling is None:
        return features
    pool = {"avg": keras.ops.mean, "max": keras.ops.max}[pooling]
    return norm(pool(features, axis=(1, 2)))


@pytest.mark.parametrize(
    ("family", "pooling"),
    [
        *(
            pytest.param("hybrid", pooling, marks=pytest.mark.slow)
            for pooling in (None, "avg", "max")
        ),
        *(("plain", pooling) for pooling in (None, "avg", "max", "token")),
    ],
)
def test_a_file_with_the_classifier_fits_a_model_without(saved, family, pooling):
    model, path = saved(family)
    found = BUILDERS[family](include_top=False, pooling=pooling, weights=path)
    expected = keras.Model(model.input, without_classifier(model, pooling))
    images = tiny_models.images(model)
    np.testing.assert_allclose(
        tiny_models.outputs(found, images), tiny_models.outputs(expected, images), atol=1e-5
    )


def test_a_file_without_the_classifier(saved, tmp_path):
    model, _ = saved("hybrid")
    arguments = {"include_top": False, "pooling": "avg"}
    pooled = tiny_models.filled(tiny_models.hybrid(**arguments))
    path = save_weights(pooled, tmp_path / "pooled.weights.h5")
    again = tiny_models.hybrid(**arguments, weights=path)
    assert_equal(again.get_weights(), pooled.get_weights())
    features = tiny_models.hybrid(include_top=False, weights=path)  # it has no norm at the end
    assert_equal(features.get_weights(), weights_of(pooled)[:-2])
    assert_refused(model, path)


@pytest.mark.parametrize("family", BUILDERS)
def test_dropout_and_the_optimizer_do_not_matter(saved, family, tmp_path):
    model, path = saved(family)
    rates = {"drop_rate": 0.1, "attention_drop_rate": 0.1, "drop_path_rate": 0.3}
    trained = BUILDERS[family](**rates, weights=path)
    assert_equal(trained.get_weights(), model.get_weights())
    trained.compile("adam")
    trained.optimizer.build(trained.trainable_variables)
    trained(tiny_models.images(model), training=True)  # changes random generators and BatchNorm
    path = save_weights(trained, tmp_path / "trained.weights.h5")
    assert_equal(BUILDERS[family](weights=path).get_weights(), trained.get_weights())


OTHERS = {
    "widths": ("hybrid", {"embed_dims": (8, 16, 32, 68)}),
    "heads": ("hybrid", {"num_heads": (4, 4)}),
    "deeper": ("hybrid", {"depths": (1, 1, 3, 3)}),
    "shallower": ("hybrid", {"depths": (1, 1, 3, 1)}),
    "shallower in the middle": ("hybrid", {"depths": (1, 1, 2, 2)}),
    "fewer digests": ("hybrid", {"max_digests": 1}),
    "no digests": ("hybrid", {"max_digests": 0}),
    "no LayerScale": ("hybrid", {"layer_scale_init": None}),
    "plain patch": ("plain", {"patch_size": 4, "input_shape": (20, 20, 3)}),
    "plain deeper": ("plain", {"depth": 4}),
    "plain shallower": ("plain", {"depth": 2}),
    "plain shallower without classifier": ("plain", {"depth": 2, "include_top": False}),
    "plain fewer digests": ("plain", {"max_digests": 1}),
    "plain heads": ("plain", {"num_heads": 6}),
    "plain LayerScale": ("plain", {"layer_scale_init": 1e-6}),
}


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        pytest.param(*other, id=name, marks=[pytest.mark.slow] if other[0] == "hybrid" else [])
        for name, other in OTHERS.items()
    ],
)
def test_the_file_of_another_model_is_refused(saved, family, changes):
    _, path = saved(family)
    content = path.read_bytes()
    assert_refused(BUILDERS[family](**changes), path)
    assert path.read_bytes() == content


def test_the_file_of_the_other_family_is_refused(saved):
    assert_refused(saved("hybrid")[0], saved("plain")[1])


def test_a_builder_passes_on_the_error(saved):
    model, path = saved("plain")
    before = weights_of(model)
    with pytest.raises(ValueError, match="must have been saved by a model of the same arguments"):
        tiny_models.plain(depth=2, weights=path)
    assert_equal(model.get_weights(), before)
    assert_equal(tiny_models.plain(weights=path).get_weights(), before)


DAMAGES = {
    "empty": lambda content: b"",
    "text": lambda content: b"<html><body>Sign in to download</body></html>\n",
    "half": lambda content: content[: len(content) // 2],
    "all but a byte": lambda content: content[:-1],
    "a hole": lambda content: content[:2000] + bytes(2000) + content[4000:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused(saved, tmp_path, damage):
    model, path = saved("plain")
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(damage(path.read_bytes()))
    assert_refused(model, damaged)


def test_a_file_without_weights_is_refused(saved, tmp_path):
    model, _ = saved("plain")
    dense = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    assert_refused(model, save_weights(dense, tmp_path / "dense.weights.h5"))


def test_a_missing_file_is_refused(saved, tmp_path):
    assert_refused(saved("plain")[0], tmp_path / "absent.weights.h5")


def test_saving_creates_the_folder_and_replaces_the_file(saved, tmp_path):
    model, _ = saved("plain")
    path = tmp_path / "new" / "folder" / "a.weights.h5"
    assert save_weights(tiny_models.plain(), str(path)) == path
    save_weights(model, path)
    assert_equal(tiny_models.plain(weights=path).get_weights(), model.get_weights())
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["a.h5", "a.keras", "weights.h5", "a"])
def test_another_ending_is_refused(saved, tmp_path, name):
    with pytest.raises(ValueError, match=r"`path` must end in \.weights\.h5"):
        save_weights(saved("plain")[0], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_unplaceable_file_leaves_nothing(saved, tmp_path):
    path = tmp_path / "a.weights.h5"
    path.mkdir()
    with pytest.raises(OSError, match=path.name):
        save_weights(saved("plain")[0], path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def hdf5_files(tmp_path):
    """The same model as a whole in Keras' older format, and as weights alone."""
    model = tiny_models.plain()
    model.save(tmp_path / "model.weights.h5")
    model.save_weights(tmp_path / "alone.weights.h5")
    for name in ("model", "alone"):
        shutil.copy(tmp_path / f"{name}.weights.h5", tmp_path / f"{name}.h5")
    (tmp_path / "text.h5").write_text("text", encoding="utf-8")
    return tmp_path


WHOLE, ALONE = "holds a whole model in Keras' older HDF5 format", "holds only weights, not a model"


@pytest.mark.parametrize(
    "read",
    [
        lambda path: tiny_models.plain(weights=path),
        load_keras,
        open_model,
        lambda path: start_from_weights(
            None, ModelOptions("CabViTP_T", (32, 32), initial_weights=path)
        ),
    ],
    ids=["weights=", "load_keras", "open_model", "initial_weights"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_hdf5_files_are_told_apart_by_content(hdf5_files, read):
    for name, sentence in (("model.h5", WHOLE), ("model.weights.h5", WHOLE), ("alone.h5", ALONE)):
        with pytest.raises(ValueError, match=sentence):
            read(str(hdf5_files / name))
    with pytest.raises(ValueError, match=r"text\.h5") as raised:
        read(str(hdf5_files / "text.h5"))
    assert ALONE not in str(raised.value)


def test_full_disk_gives_a_clear_error(tiny_plain, tmp_path, monkeypatch):
    path = tmp_path / "a.weights.h5"
    save_weights(tiny_plain, path)
    size = path.stat().st_size
    # HDF5 may crash the process when it cannot write: it must not begin.
    monkeypatch.setattr(keras.Model, "save_weights", lambda *_: pytest.fail("HDF5 has begun"))
    with files_of_at_most(size - 1), pytest.raises(OSError, match="The disk is full"):
        save_weights(tiny_plain, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.weights.h5"]
    assert path.stat().st_size == size


def test_dense_layer_before_the_classifier_is_not_taken_for_it(tmp_path):
    def model(side):
        backbone = tiny_models.plain(include_top=False, pooling="avg", input_shape=(side, side, 3))
        x = keras.layers.Dense(16, "gelu", name="hidden")(backbone.output)
        return keras.Model(backbone.input, keras.layers.Dense(4, name="predictions")(x))

    source = tiny_models.filled(model(40))
    path = save_weights(source, tmp_path / "own.weights.h5")
    same, larger = model(40), model(56)
    for each in (same, larger):
        load_weights(each, path)

    assert_equal(same.get_weights(), source.get_weights())
    for name in ("hidden", "predictions"):
        assert_equal(larger.get_layer(name).get_weights(), source.get_layer(name).get_weights())


def test_weights_without_lora_are_loaded_into_a_model_with_it(saved):
    source, path = saved("plain")
    model = tiny_models.plain()
    enable_lora(model, 2)
    load_weights(model, path)

    inputs = tiny_models.images(model)
    expected = tiny_models.outputs(source, inputs)
    np.testing.assert_allclose(tiny_models.outputs(model, inputs), expected, atol=1e-5)
    assert_refused(tiny_models.plain(depth=2), path)
