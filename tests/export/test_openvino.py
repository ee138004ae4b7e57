"""A SavedModel opened by OpenVINO, in float32."""

import numpy as np
import openvino
import pytest
import tiny_models

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("export", ["served_hybrid", "frozen_hybrid"])
def test_saved_model_gives_the_scores_of_its_model_at_every_batch_size(
    tiny_hybrid, request, export
):
    path = request.getfixturevalue(export)
    # On processors with a matrix unit OpenVINO would otherwise compute in bfloat16.
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(path), "CPU", precision)
    images = np.rint(tiny_models.images(tiny_hybrid, 8)).astype("uint8")
    expected = tiny_models.outputs(tiny_hybrid, images.astype("float32"))

    for batch in (1, 2, 3, 8):
        found = compiled(images[:batch])[0]
        np.testing.assert_allclose(found, expected[:batch], atol=1e-6)
