"""The TFLite benchmark asks the exporter for every form."""

import inspect

import keras
import numpy as np
import pytest

from benchmarks import tflite
from keras_cabvit.export.tflite import ATTENTION_BIASES, QUANTIZATIONS


class Exported(Exception):
    """All forms are exported."""


def test_every_form_is_one_of_the_exporter(tmp_path, monkeypatch):
    signature, forms = inspect.signature(tflite.to_tflite), []

    def to_tflite(*arguments, **options):
        found = signature.bind(*arguments, **options)
        found.apply_defaults()
        forms.append(found.arguments)

    def load_tflite(path):
        raise Exported

    monkeypatch.setattr(tflite, "to_tflite", to_tflite)
    monkeypatch.setattr(tflite, "load_tflite", load_tflite)
    monkeypatch.setattr(keras.applications, "ConvNeXtTiny", lambda weights: None)
    pixels = np.zeros((1, 8, 8, 3), "uint8")
    with pytest.raises(Exported):
        tflite.measure(None, tmp_path, tflite.Images(pixels, None), None, 1)

    _, *forms = forms  # the first is the reference
    assert {form["quantization"] for form in forms} == {*QUANTIZATIONS}
    assert {form["attention_bias"] for form in forms} == {*ATTENTION_BIASES}
    assert all(form["calibration"] is pixels for form in forms)
