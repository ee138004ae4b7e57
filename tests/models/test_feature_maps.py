"""`features` returns the maps of a model's own stages and blocks, by name."""

import keras
import numpy as np
import pytest
import tiny_models

import keras_cabvit
from keras_cabvit.inference import fuse

LEVELS = ["P2", "P3", "P4", "P5"]
BLOCKS = ["stage_0/block_0", "stage_2/block_0", "stage_2/block_2", "stage_3/block_0"]


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5, err_msg=name)


def of_stage(model, stage, images):
    """Returns the tokens of every block of a stage, from the stage alone."""
    layer = model.get_layer(stage)
    inputs = tiny_models.outputs(keras.Model(model.input, layer.input), images)
    found = tiny_models.outputs(
        lambda x, training: layer(x, return_intermediates=True, training=training), inputs
    )
    return found["tokens"]


# On JAX, test_cabvit_stage.py compares the intermediates of which features are a graph.
@pytest.mark.torch_too
def test_levels_and_blocks_are_those_of_the_stages(tiny_hybrid):
    images = tiny_models.images(tiny_hybrid)
    found = tiny_models.outputs(keras_cabvit.features(tiny_hybrid, LEVELS + BLOCKS), images)
    shapes = [(16, 8), (8, 16), (4, 32), (2, 64)]
    assert [found[level].shape for level in LEVELS] == [(2, side, side, c) for side, c in shapes]

    second = of_stage(tiny_hybrid, "stage_2", images)
    third = of_stage(tiny_hybrid, "stage_3", images)
    expected = {"P4": second[2], "stage_2/block_0": second[0], "stage_2/block_2": second[2]}
    expected |= {"P5": third[1], "stage_3/block_0": third[0], "stage_0/block_0": found["P2"]}
    assert_same({name: found[name] for name in expected}, expected)


def test_pyramid_is_the_default_and_has_no_classifier(tiny_hybrid):
    pyramid = keras_cabvit.features(tiny_hybrid)
    assert list(pyramid.output) == LEVELS
    assert {layer.name for layer in tiny_hybrid.layers} - {
        layer.name for layer in pyramid.layers
    } == {
        "avg_pool",
        "head_norm",
        "predictions",
    }


def test_tokens_of_the_plain_model(tiny_plain):
    images = tiny_models.images(tiny_plain)
    model = keras_cabvit.features(tiny_plain, ["stage/block_1", "stage/block_2"])
    tokens = of_stage(tiny_plain, "stage", images)
    expected = {"stage/block_1": tokens[1], "stage/block_2": tokens[2]}
    assert_same(tiny_models.outputs(model, images), expected)


def test_features_are_saved_and_loaded(tiny_hybrid, tmp_path):
    model = keras_cabvit.features(tiny_hybrid, LEVELS + BLOCKS)
    images = tiny_models.images(tiny_hybrid)
    model.save(tmp_path / "features.keras")
    loaded = keras.saving.load_model(tmp_path / "features.keras")
    expected = tiny_models.outputs(model, images)
    assert_same(tiny_models.outputs(loaded, images), expected)
    # The loaded model has features of its own.
    again = keras_cabvit.features(loaded, ["P4", "stage_2/block_1"])
    assert_same({"P4": tiny_models.outputs(again, images)["P4"]}, {"P4": expected["P4"]})


@pytest.mark.slow
def test_features_of_the_fused_form_and_the_fused_form_of_features(tiny_hybrid):
    images = tiny_models.images(tiny_hybrid)
    model = keras_cabvit.features(tiny_hybrid, LEVELS + BLOCKS)
    expected = tiny_models.outputs(model, images)
    assert_same(tiny_models.outputs(fuse(model), images), expected)
    of_fused = keras_cabvit.features(fuse(tiny_hybrid), LEVELS + BLOCKS)
    assert_same(tiny_models.outputs(of_fused, images), expected)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # of blocks after the last one named
def test_training_features_trains_the_model():
    model = tiny_models.filled(tiny_models.hybrid(classifier_activation=None))
    model.compile("sgd", "mse")  # a compiled model is not changed
    names = ["P3", "stage_2/block_1"]
    pyramid = keras_cabvit.features(model, names)
    before = {weight.path: np.array(weight) for weight in model.trainable_weights}
    images = tiny_models.images(model)
    zeros = {name: np.zeros((2, *pyramid.output[name].shape[1:])) for name in names}
    pyramid.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=True)
    pyramid.train_on_batch(images, zeros)

    changed = {
        weight.path for weight in model.trainable_weights if (before[weight.path] != weight).any()
    }
    # Everything before the second block's tokens, and nothing after them.
    parts = {path.split("/")[0] for path in changed}
    assert parts == {
        "stem",
        "stage_0_block_0",
        "merging_1",
        "stage_1_block_0",
        "merging_2",
        "stage_2",
    }
    for block, trained in (("block_0", True), ("block_1", True), ("block_2", False)):
        assert any(path.startswith(f"stage_2/{block}/") for path in changed) == trained


WRONG = [
    (
        "tiny_hybrid",
        ["P6"],
        "`names` must be a list of features of .*P2, P3, P4, P5, stage_0/b.*P6",
    ),
    ("tiny_hybrid", "P2", "`names` must be a list of features"),
    ("tiny_hybrid", [], "`names` must be a list of features"),
    ("tiny_hybrid", [2], "`names` must be a list of features"),
    ("tiny_plain", None, "`names` must be blocks of the plain model .*'stage/block_0'.*no pyramid"),
    ("tiny_plain", ["P3"], "`names` must be blocks of the plain model .*'stage/block_0'.*P3"),
    ("tiny_plain", ["stage/block_3"], "`names` must be a list of features .*stage/block_2. Rec"),
]


@pytest.mark.parametrize(("model", "names", "sentence"), WRONG)
def test_unknown_features_give_a_clear_error(request, model, names, sentence):
    with pytest.raises(ValueError, match=sentence):
        keras_cabvit.features(request.getfixturevalue(model), names)


def test_model_without_stages_gives_a_clear_error(tiny_plain):
    with pytest.raises(ValueError, match=r"`model` must be a functional model .*'sequential"):
        keras_cabvit.features(keras.Sequential([tiny_plain]))
    around = keras.Model(tiny_plain.input, tiny_plain(tiny_plain.input))
    with pytest.raises(ValueError, match=r"`model` must have the stages .* pass that one"):
        keras_cabvit.features(around)
