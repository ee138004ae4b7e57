"""Warnings that every exporter gives."""

import warnings

import pytest
import tiny_models

from keras_cabvit.export import to_onnx, to_saved_model, to_tflite

EXPORTS = {
    "onnx": lambda model, folder: to_onnx(model, folder / "model.onnx"),
    "saved_model": lambda model, folder: to_saved_model(model, folder, batch_sizes=()),
    "tflite": lambda model, folder: to_tflite(model, folder / "model.tflite", quantization="none"),
}


@pytest.mark.parametrize("form", EXPORTS)
def test_model_that_does_not_normalise_its_pixels_is_warned_of(form, tmp_path):
    model = tiny_models.plain(depth=1, include_preprocessing=False, name="bare")

    with pytest.warns(UserWarning, match="'bare' .* does not normalise pixels itself") as given:
        EXPORTS[form](model, tmp_path)
    assert {warning.filename for warning in given if "'bare'" in str(warning.message)} == {__file__}


def test_model_that_normalises_its_pixels_is_not_warned_of(tmp_path):
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        EXPORTS["tflite"](tiny_models.plain(depth=1), tmp_path)
    assert not [each for each in given if "normalise pixels" in str(each.message)]
