"""Files written by the first release stay loadable. `golden/make_golden.py` created them."""

import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import keras_cabvit

GOLDEN = Path(__file__).with_name("golden")
BUILDERS = {"cabvit_h": keras_cabvit.CabViTH, "cabvit_p": keras_cabvit.CabViTP}


@pytest.fixture(params=BUILDERS)
def golden(request):
    """The builder, its arguments, and the recorded outputs."""
    recorded = json.loads((GOLDEN / "golden.json").read_text())[request.param]
    arguments = {**recorded["arguments"], "weights": GOLDEN / f"{request.param}.weights.h5"}
    return BUILDERS[request.param], arguments, recorded


def images(recorded):
    """Squares of 8x8 pixels in [0, 255], from a generator that NumPy keeps frozen."""
    height, width, channels = recorded["arguments"]["input_shape"]
    random = np.random.RandomState(recorded["input_seed"])
    squares = random.uniform(0, 255, (2, height // 8, width // 8, channels))
    return np.kron(squares, np.ones((1, 8, 8, 1))).astype("float32")


def test_logits(golden):
    builder, arguments, recorded = golden
    model = builder(**arguments, classifier_activation=None)
    logits = keras.ops.convert_to_numpy(model(images(recorded)))
    np.testing.assert_allclose(logits, recorded["logits"], rtol=0, atol=1e-5)


def test_features_without_the_classifier(golden):
    builder, arguments, recorded = golden
    model = builder(**arguments, include_top=False, pooling="avg")
    features = keras.ops.convert_to_numpy(model(images(recorded)))
    np.testing.assert_allclose(features, recorded["pooled_features"], rtol=0, atol=1e-5)


def shapes_in(path):
    """Returns the shape of every array in a file, by its name."""
    shapes = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            shapes[name] = item.shape

    with h5py.File(path) as file:
        file.visititems(add)
    return shapes


# Heads, rows and columns of offsets or of digest tokens, and the number of digest blocks.
FROZEN = {
    "cabvit_h": {
        "layers/cab_vi_t_stage/blocks/cab_vi_t_block/attention/vars": [(2, 6, 4)],
        "layers/cab_vi_t_stage/blocks/cab_vi_t_block_1/attention/vars": [
            (2, 6, 4),  # position_bias: heads, H, W
            (1, 2, 1),  # digest_scale: K, h, w
            (2, 1, 2, 1),  # digest_bias: heads, K, h, w
        ],
        "layers/cab_vi_t_stage_1/blocks/cab_vi_t_block/attention/vars": [(3, 3, 2)],
    },
    "cabvit_p": {
        "layers/cab_vi_t_stage/blocks/cab_vi_t_block_1/attention/vars": [(1, 2, 1), (3, 1, 2, 1)],
        "layers/cab_vi_t_stage/blocks/cab_vi_t_block_2/attention/vars": [(2, 2, 1), (3, 2, 2, 1)],
        "layers/cab_vi_t_stage/blocks/cab_vi_t_block_3/attention/vars": [(2, 2, 1), (3, 2, 2, 1)],
        "layers/patch_embedding/vars": [(6,), (6,), (6, 4, 6)],  # the last: rows, columns, channels
    },
}


@pytest.mark.parametrize("name", FROZEN)
def test_weights_on_a_grid_are_stored_with_its_shape(name):
    shapes = shapes_in(GOLDEN / f"{name}.weights.h5")
    for group, expected in FROZEN[name].items():
        names = [f"{group}/{place}" for place in range(len(expected))]
        assert [shapes[name] for name in names] == expected
        assert f"{group}/{len(expected)}" not in shapes


def test_a_new_file_has_the_same_names_and_shapes(golden, tmp_path):
    builder, arguments, _ = golden
    path = tmp_path / "today.weights.h5"
    builder(**{**arguments, "weights": None}).save_weights(path)
    assert shapes_in(path) == shapes_in(arguments["weights"])


def test_a_new_file_has_the_same_values(golden, tmp_path):
    builder, arguments, _ = golden
    path = tmp_path / "today.weights.h5"
    builder(**arguments).save_weights(path)
    with h5py.File(path) as today, h5py.File(arguments["weights"]) as then:
        for name in shapes_in(path):
            np.testing.assert_array_equal(today[name], then[name], err_msg=name)
