"""A fused model loads the weights of one fused alike, and refuses all others in a sentence."""

import keras
import pytest
import tiny_models
from model_weights import assert_equal, weights_of

from keras_cabvit.inference import fuse
from keras_cabvit.weights import load_weights, save_weights


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The fused model for 40x40 images, and files of it, of its source, and of another form."""
    folder = tmp_path_factory.mktemp("fused")
    model = tiny_models.filled(tiny_models.plain())
    fused = fuse(model)
    fused.save(folder / "fused.keras")
    for name, each in {
        "fused": fused,
        "trainable": model,
        "computed": fuse(model, attention_bias="computed"),
    }.items():
        save_weights(each, folder / f"{name}.weights.h5")
    return fused, folder


@pytest.mark.parametrize("file", ["fused.weights.h5", "fused.keras"])
def test_weights_of_a_model_fused_alike_load(files, file):
    fused, folder = files
    for load in (load_weights, keras.Model.load_weights, type(fused).load_weights):
        other = fuse(tiny_models.filled(tiny_models.plain(), seed=1))
        load(other, folder / file)
        assert_equal(other.get_weights(), weights_of(fused))


@pytest.mark.parametrize(
    ("file", "size", "sentence"),
    [
        ("fused.weights.h5", (48, 80, 3), "fused for another image size"),
        ("fused.keras", (48, 80, 3), "fused for another image size"),
        ("computed.weights.h5", (40, 40, 3), "or in another form"),
        ("trainable.weights.h5", (40, 40, 3), "those of a trainable model, and .* is fused"),
        ("trainable.weights.h5", (48, 80, 3), "those of a trainable model, and .* is fused"),
    ],
)
def test_other_weights_are_refused_and_change_nothing(files, file, size, sentence):
    _, folder = files
    fused = fuse(tiny_models.plain(input_shape=size))
    before = weights_of(fused)
    for load in (
        load_weights,
        type(fused).load_weights,
        lambda model, path: model.load_weights(path, skip_mismatch=True),
    ):
        with pytest.raises(ValueError, match=f"{sentence}.* load the weights of the trainable mod"):
            load(fused, folder / file)
    assert_equal(fused.get_weights(), before)


def test_weights_of_a_fused_model_do_not_fit_a_trainable_one(files):
    _, folder = files
    model = tiny_models.plain()
    before = weights_of(model)
    for load in (load_weights, type(model).load_weights):
        with pytest.raises(ValueError, match=r"those of a fused model, and model .* is trainable"):
            load(model, folder / "fused.weights.h5")
    assert_equal(model.get_weights(), before)
