import dataclasses

import keras
import pytest
from small_model import SMALL

from training.recipes.model import build_model
from training.recipes.recipe import ModelOptions


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


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"variant": "CabViT"},
            "`variant` must be one of CabViTH_T, .* Received: variant='CabViT'",
        ),
        ({"depths": None}, "has no sizes of its own: give embed_dims, depths, num_heads"),
        ({"depths": (1, 2)}, r"`depths` must be one number for a plain model. Received: \(1, 2\)"),
    ],
)
def test_wrong_options_give_a_clear_error(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_model(dataclasses.replace(SMALL, **changes), classes=4)


def test_patches_of_a_hybrid_are_refused():
    message = "`patch_size` belongs to plain models.* patch_size=4 with variant='CabViTH_T'"
    with pytest.raises(ValueError, match=message):
        build_model(ModelOptions("CabViTH_T", patch_size=4), classes=4)
