"""A stage in windows: each is a stage of its own, except for padding, which alternates by block."""

import keras
import numpy as np
import numpy_layers
import pytest
import tiny_models
from tiny_models import filled, outputs

import keras_cabvit

WINDOW = 4
PUBLISHED = 14  # of the third stage, whose weights were trained on 14x14 tokens


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def windowed(stage, window=WINDOW):
    """Returns a stage in windows that has the weights of a stage with a single window."""
    copy = type(stage).from_config(stage.get_config() | {"window": window, "name": "windowed"})
    copy.build((None, 3 * window, 2 * window, 8))
    for weight, other in zip(copy.weights, stage.weights, strict=True):
        weight.assign(other)
    return copy


def global_stage(depth=3, window=WINDOW):
    stage = tiny_models.stage(depth, epsilon=0.1)
    stage.build((2, window, window, 8))
    return filled(stage)


@pytest.mark.parametrize("window", [WINDOW, PUBLISHED])
def test_one_window_is_the_whole_stage(window):
    stage, inputs = global_stage(window=window), normal(2, window, window, 8)
    expected = outputs(stage, inputs)
    np.testing.assert_allclose(outputs(windowed(stage, window), inputs), expected, atol=1e-6)


def test_one_window_has_the_weights_file_of_the_whole_stage(tmp_path):
    stage, inputs = global_stage(), keras.Input((WINDOW, WINDOW, 8))
    model = keras.Model(inputs, stage(inputs))
    other = keras.Model(inputs, windowed(global_stage())(inputs))
    filled(other, seed=1)
    keras_cabvit.weights.save_weights(model, tmp_path / "global.weights.h5")
    keras_cabvit.weights.load_weights(other, tmp_path / "global.weights.h5")

    images = normal(2, WINDOW, WINDOW, 8)
    np.testing.assert_allclose(outputs(other, images), outputs(model, images), atol=1e-6)


@pytest.mark.every_backend
@pytest.mark.parametrize(("window", "columns"), [(WINDOW, 3), (PUBLISHED, 2)])
def test_each_window_is_a_stage_of_its_own(window, columns):
    stage, inputs = global_stage(window=window), normal(2, 2 * window, columns * window, 8)
    found = outputs(windowed(stage, window), inputs)
    places = [
        (slice(None), slice(top, top + window), slice(left, left + window))
        for top in (0, window)
        for left in range(0, columns * window, window)
    ]
    alone = outputs(stage, np.concatenate([inputs[place] for place in places]))
    for place, expected in zip(places, np.split(alone, len(places)), strict=True):
        np.testing.assert_allclose(found[place], expected, atol=1e-5)


def numpy_block(block, x, digests):
    shape, tokens = x.shape, x.reshape(len(x), -1, x.shape[-1])
    grid = shape[1:3]
    x = numpy_layers.cross_block_attention(block.attention, tokens, digests, grid, epsilon=0.1)[0]
    x = x.reshape(shape)
    own = None
    if block.merges:
        own = numpy_layers.merge(block.merge_enhancement, x)
    x = numpy_layers.enhance(block.merge_enhancement, x)
    return x + numpy_layers.channel_mixing(block.channel_mixing, x, epsilon=0.1), own


@pytest.mark.parametrize(
    ("height", "width", "window"),
    [
        pytest.param(5, 7, WINDOW, marks=pytest.mark.every_backend),
        (20, 28, PUBLISHED),
        *(pytest.param(*size, WINDOW, marks=pytest.mark.slow) for size in [(4, 6), (3, 8), (2, 3)]),
    ],
)
def test_padding_alternates_between_blocks(height, width, window):
    stage, x = global_stage(window=window), normal(2, height, width, 8)
    found = outputs(windowed(stage, window), x)
    rows, columns = -(-height // window), -(-width // window)
    memory = [[] for _ in range(rows * columns)]
    for index, block in enumerate(stage.blocks):
        padded = np.zeros((2, rows * window, columns * window, 8), "float32")
        even = index % 2 == 0
        top, left = (padded.shape[1] - height, padded.shape[2] - width) if even else (0, 0)
        padded[:, top : top + height, left : left + width] = x
        for number in range(rows * columns):
            row, column = divmod(number, columns)
            place = (
                slice(None),
                slice(row * window, (row + 1) * window),
                slice(column * window, (column + 1) * window),
            )
            digests = np.concatenate(memory[number], axis=1) if memory[number] else None
            padded[place], own = numpy_block(block, padded[place], digests)
            memory[number].append(own)
        x = padded[:, top : top + height, left : left + width]
    np.testing.assert_allclose(found, x, atol=1e-4)


def test_intermediates_are_per_window():
    found = outputs(
        lambda x, training: windowed(global_stage())(x, return_intermediates=True),
        normal(2, 5, 7, 8),
    )
    assert found["tokens"][0].shape == (2, 5, 7, 8)
    assert found["digests"].shape == (2 * 4, 2, 8)
    assert found["maps"][2].shape == (2 * 4, 2, WINDOW**2, WINDOW**2 + 2)


@pytest.mark.slow
def test_fused_stage_has_windows(tmp_path):
    inputs = keras.Input((5, 7, 8))
    model = keras.Model(inputs, windowed(global_stage())(inputs))
    fused = keras_cabvit.inference.fuse(model)
    fused.save(tmp_path / "fused.keras")
    reloaded = keras.saving.load_model(tmp_path / "fused.keras")
    images = normal(2, 5, 7, 8)
    expected = outputs(model, images)
    for each in (fused, reloaded):
        np.testing.assert_allclose(outputs(each, images), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("is_fused", [False, True])
def test_macs_of_windows_are_those_of_as_many_images(is_fused):
    def macs(height, width):
        inputs = keras.Input((height, width, 8))
        model = keras.Model(inputs, windowed(global_stage(depth=2))(inputs))
        model = keras_cabvit.inference.fuse(model) if is_fused else model
        (part,) = keras_cabvit.models.count_complexity(model)
        return part.macs

    assert macs(2 * WINDOW, 3 * WINDOW) == 6 * macs(WINDOW, WINDOW)


@pytest.mark.parametrize("window", [0, -4, 2.5, "4"])
def test_window_that_is_not_a_side_gives_a_clear_error(window):
    with pytest.raises(ValueError, match="`window` must be a positive number of tokens"):
        keras_cabvit.layers.CabViTStage([tiny_models.block(merge=False)], window=window)


def test_window_that_does_not_fit_gives_a_clear_error():
    with pytest.raises(ValueError, match="blocks must have no grid"):
        keras_cabvit.layers.CabViTStage([tiny_models.block(merge=False, grid=(4, 4))], window=4)
