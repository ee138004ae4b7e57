"""The backbone is the hybrid model, with its stages as the levels of a pyramid."""

import keras
import numpy as np
import pytest
import tiny_hub
import tiny_models

import keras_cabvit
from keras_cabvit.hub import CabViTBackbone

ANY = (None, None, 3)


def pyramid(backbone, pixels):
    model = keras.Model(backbone.inputs, backbone.pyramid_outputs)
    return {level: np.array(map) for level, map in model(pixels, training=False).items()}


def pixels(*size):
    return np.random.default_rng(0).standard_normal((1, *size, 3)).astype("float32")


def test_levels_are_the_ends_of_the_stages():
    backbone = tiny_models.filled(tiny_hub.backbone(image_shape=(64, 96, 3)))
    model = keras_cabvit.CabViTH(
        **tiny_hub.SIZES,
        input_shape=(64, 96, 3),
        include_top=False,
        include_preprocessing=False,
    )
    tiny_models.with_weights_of(backbone, model)
    names = ("stage_0_block_0", "stage_1_block_0", "stage_2", "stage_3")
    stages = keras.Model(model.input, [model.get_layer(name).output for name in names])
    found, expected = pyramid(backbone, pixels(64, 96)), stages(pixels(64, 96), training=False)
    assert list(found) == ["P2", "P3", "P4", "P5"]
    for map, stage in zip(found.values(), expected, strict=True):
        np.testing.assert_array_equal(map, np.array(stage))
    assert [map.shape[1:3] for map in found.values()] == [(16, 24), (8, 12), (4, 6), (2, 3)]


def test_images_of_any_size_are_seen_in_windows():
    backbone = tiny_models.filled(tiny_hub.backbone(image_shape=ANY, window_size=64))
    known = tiny_hub.backbone(image_shape=(96, 160, 3), windowed=True, window_size=64)
    known.set_weights(backbone.get_weights())
    found, expected = (pyramid(each, pixels(96, 160)) for each in (backbone, known))
    for level in found:
        np.testing.assert_allclose(found[level], expected[level], atol=1e-5)
    assert backbone.get_layer("stage_2").window == 4


def test_weights_of_a_model_load_without_its_head(tmp_path):
    model = tiny_models.filled(keras_cabvit.CabViTH(**tiny_hub.SIZES, input_shape=(64, 64, 3)))
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    for name, shape, size in [("model.keras", (64, 64, 3), 224), ("model.weights.h5", ANY, 64)]:
        backbone = tiny_hub.backbone(image_shape=shape, window_size=size)
        backbone.load_weights(tmp_path / name)
        for layer in backbone.layers:
            expected = model.get_layer(layer.name).get_weights() if layer.weights else []
            for found, value in zip(layer.get_weights(), expected, strict=True):
                np.testing.assert_array_equal(found, value)


def test_weights_of_another_size_are_resampled(tmp_path):
    small = tiny_models.filled(tiny_hub.backbone(image_shape=(64, 64, 3)))
    small.save_weights(tmp_path / "small.weights.h5")
    large, expected = (tiny_hub.backbone(image_shape=(96, 128, 3)) for _ in range(2))
    large.load_weights(tmp_path / "small.weights.h5")
    keras_cabvit.weights.transfer_weights(expected, small)
    for found, value in zip(large.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(found, value)


def test_windows_of_another_size_are_resampled(tmp_path):
    small = tiny_models.filled(tiny_hub.backbone(image_shape=(64, 64, 3)))
    small.save_weights(tmp_path / "small.weights.h5")
    windowed = tiny_hub.backbone(image_shape=ANY, window_size=96)
    windowed.load_weights(tmp_path / "small.weights.h5")
    expected = tiny_hub.backbone(image_shape=(96, 96, 3))
    keras_cabvit.weights.transfer_weights(expected, small)
    for found, value in zip(windowed.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(found, value)


def test_skipping_leaves_no_positions_out(tmp_path):
    tiny_hub.backbone(image_shape=(64, 64, 3)).save_weights(tmp_path / "small.weights.h5")
    backbone = tiny_hub.backbone(image_shape=(96, 128, 3))
    with pytest.raises(ValueError, match=r"for images of 64x64 pixels, .* for 96x128"):
        backbone.load_weights(tmp_path / "small.weights.h5", skip_mismatch=True)


def test_weights_of_a_deeper_or_a_plain_model_give_a_clear_error(tmp_path):
    deeper = tiny_hub.backbone(depths=(1, 1, 3, 1))
    deeper.save_weights(tmp_path / "deeper.weights.h5")
    with pytest.raises(ValueError, match=r"same arguments .*depths=\(1, 1, 3, 1\).* more weights"):
        tiny_hub.backbone().load_weights(tmp_path / "deeper.weights.h5")
    tiny_models.plain().save_weights(tmp_path / "plain.weights.h5")
    with pytest.raises(ValueError, match=r"same arguments .* those of a plain model for 40x40 im"):
        tiny_hub.backbone().load_weights(tmp_path / "plain.weights.h5")


def test_stages_of_one_width_load(tmp_path):
    sizes = {"embed_dims": (8, 8, 8, 16), "depths": (1, 2, 1, 1)}
    backbone = tiny_models.filled(tiny_hub.backbone(**sizes))
    backbone.save_weights(tmp_path / "wide.weights.h5")
    loaded = tiny_hub.backbone(**sizes)
    loaded.load_weights(tmp_path / "wide.weights.h5")
    np.testing.assert_array_equal(loaded(pixels(32, 32)), backbone(pixels(32, 32)))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"image_shape": (100, 96, 3)}, "`image_shape` must be .* multiples of 32. .*100, 96, 3"),
        ({"image_shape": (96, 96)}, r"`image_shape` must be \(height, width, channels\)"),
        ({"window_size": 100}, "`window_size` multiples of 32. .*window_size=100"),
        ({"image_shape": ANY, "windowed": False}, "`windowed` must be True or None for images of"),
    ],
)
def test_wrong_sizes_give_a_clear_error(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny_hub.backbone(**arguments)


def test_a_plain_or_unknown_variant_gives_a_clear_error():
    with pytest.raises(
        ValueError, match=r"one of CabViTH_T, .* CabViTP_T is a plain model: .* no f"
    ):
        CabViTBackbone.from_variant("CabViTP_T")
    with pytest.raises(ValueError, match=r"`variant` must be one of CabViTH_T, .*'CabViT_X'"):
        CabViTBackbone.from_variant("CabViT_X")
