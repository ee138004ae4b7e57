"""Parts of a model whose weights training leaves as they are."""

import keras
import numpy as np
import pytest
import tiny_models

from keras_cabvit.finetuning import freeze


@pytest.fixture(scope="module")
def names():
    """The names of the parts of a hybrid model, from the error of a wrong one."""
    with pytest.raises(ValueError, match="`freeze` must name parts of the model") as error:
        freeze(tiny_models.hybrid(), ["stage_0", "trunk"])
    text, _, received = str(error.value).partition(". Received: ")
    assert received == "trunk"
    return text.partition(": ")[2].split(", ")


def test_unknown_part_is_refused_with_all_names(names):
    assert {"stem", "stage_0", "stage_0_block_0", "merging_1", "stage_2", "predictions"} <= {*names}
    assert {"stage_2_block_0", "stage_2_block_2", "head_norm"} <= {*names}


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("stage_2_block_1", ["block_1"]),
        ("stage_1", ["stage_1_block_0"]),
        ("merging_2", ["merging_2"]),
        ("stage_2/block_*/attention", ["attention", "attention"]),
        ("merge_enhancement", ["merge_enhancement", "merge_enhancement"]),
    ],
)
def test_part_is_one_layer_a_whole_stage_or_all_of_a_pattern(name, layers):
    model = tiny_models.two_blocks()
    everything = len(model.trainable_weights)
    frozen = freeze(model, [name])

    assert [layer.name for layer in frozen] == layers
    inside = sum(len(layer.weights) for layer in frozen)
    assert 0 < everything - len(model.trainable_weights) <= inside


@pytest.mark.parametrize("name", ["stage", "block_0/query", "tage_2", "STAGE_2"])
def test_parts_of_names_match_nothing(name):
    with pytest.raises(ValueError, match=f"Received: {name}$"):
        freeze(tiny_models.two_blocks(), [name])


def test_freezing_everything_is_refused():
    model = tiny_models.two_blocks()
    with pytest.raises(ValueError, match="must leave something to train"):
        freeze(model, ["stage_1", "merging_2", "stage_2", "predictions"])
    assert all(layer.trainable for layer in model.layers)


def statistics_that_move(model):
    """Returns the paths of the weights that change in a call in training."""
    before = {weight.path: np.array(weight) for weight in model.weights}
    model(np.random.default_rng(0).standard_normal((4, 5, 3, 8)), training=True)
    return {
        weight.path.partition("/moving_")[0]
        for weight in model.weights
        if not np.array_equal(before[weight.path], np.array(weight))
    }


@pytest.mark.torch_too
def test_saved_model_is_loaded_frozen(tmp_path):
    model = tiny_models.two_blocks()
    freeze(model, ["stage_1", "stage_2_block_0", "stage_2/block_1/attention"])
    model.get_layer("merging_2").expand.norm.trainable = False  # the usual loop over BatchNorm
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    expected = [weight.path for weight in model.trainable_weights]
    for each in (loaded, keras.models.clone_model(model)):
        assert [weight.path for weight in each.trainable_weights] == expected
        assert each.to_json() == model.to_json()
    assert statistics_that_move(loaded) == {
        "merging_2/depthwise/norm",
        "merging_2/project/norm",
        "stage_2/block_1/merge_enhancement/enhancement/norm",
    }
