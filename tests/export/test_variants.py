import numpy as np
import pytest
import tiny_models

import keras_cabvit
from keras_cabvit.export import load_saved_model, load_tflite, saved_model, tflite

FAMILIES = ("CabViTH_T", "CabViTP_T")


def build(variant):
    return getattr(keras_cabvit, variant)(input_shape=(64, 64, 3), classes=7)


@pytest.mark.parametrize("variant", keras_cabvit.list_models())
def test_every_variant_is_served(variant, tmp_path):
    model = build(variant)
    images = tiny_models.images(model).astype("uint8")
    served = load_saved_model(saved_model(model, tmp_path, batch_sizes=()))

    np.testing.assert_allclose(served(images), model.predict_on_batch(images), atol=1e-5)


@pytest.mark.parametrize("variant", FAMILIES)
def test_both_families_run_in_an_app(variant, tmp_path):
    model = build(variant)
    images = tiny_models.images(model).astype("uint8")
    run = load_tflite(tflite(model, tmp_path / "model.tflite", quantization="none"))

    np.testing.assert_allclose(run(images), model.predict_on_batch(images), atol=1e-5)
