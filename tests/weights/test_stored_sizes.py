"""Sizes that a weights file gives without its model being built."""

import pytest
import tiny_models

import keras_cabvit
from keras_cabvit.models.variants import variant_of
from keras_cabvit.weights import StoredSizes, read_stored_sizes

HYBRID = {"embed_dims": (8, 16, 32, 64), "depths": (1, 1, 3, 2), "num_heads": (2, 4)}
PLAIN = {"embed_dim": 24, "depth": 3}


@pytest.mark.parametrize("name", ["model.weights.h5", "model.keras"])
def test_sizes_of_both_families(tmp_path, tiny_hybrid, tiny_plain, name):
    for model, family, arguments in [
        (tiny_hybrid, "hybrid", HYBRID),
        (tiny_plain, "plain", PLAIN),
    ]:
        path = tmp_path / f"{family}_{name}"
        model.save(path) if name.endswith(".keras") else model.save_weights(path)
        image_size = model.input_shape[1:3]
        assert read_stored_sizes(path) == StoredSizes(family, arguments, image_size, 5)
        assert variant_of(path)[0] is None


def test_images_that_are_not_square_and_no_classifier(tmp_path):
    tiny_models.hybrid(input_shape=(64, 96, 3), include_top=False).save_weights(
        tmp_path / "model.weights.h5"
    )
    assert read_stored_sizes(tmp_path / "model.weights.h5") == StoredSizes(
        "hybrid", HYBRID, (64, 96), None
    )


@pytest.mark.parametrize("variant", ["CabViTH_T", "CabViTP_T"])
def test_variant_is_found(tmp_path, variant):
    model = getattr(keras_cabvit, variant)(input_shape=(32, 32, 3), classes=2)
    model.save_weights(tmp_path / "model.weights.h5")
    assert variant_of(tmp_path / "model.weights.h5")[0] == variant


def test_another_file_gives_a_clear_error(tmp_path):
    (tmp_path / "model.weights.h5").write_bytes(b"nothing")
    with pytest.raises(
        ValueError, match=r"must be a \.weights\.h5 or \.keras file of a CabViT model"
    ):
        read_stored_sizes(tmp_path / "model.weights.h5")
