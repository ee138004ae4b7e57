import numpy as np
import pytest
import tiny_models

import keras_cabvit
from keras_cabvit.export import to_saved_model
from keras_cabvit.runtimes import load_saved_model


@pytest.mark.slow
# Variants of a family differ in sizes alone.
@pytest.mark.parametrize("variant", ["CabViTH_T", "CabViTP_T"])
def test_smallest_variant_of_a_family_can_be_served(variant, tmp_path):
    model = getattr(keras_cabvit, variant)(input_shape=(64, 64, 3), classes=7)
    images = tiny_models.images(model).astype("uint8")
    served = load_saved_model(to_saved_model(model, tmp_path, batch_sizes=()))

    np.testing.assert_allclose(served(images), model.predict_on_batch(images), atol=1e-5)
