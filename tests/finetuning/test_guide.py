"""The code of docs/finetuning.md runs, on two photographs and with a small model."""

import re

import keras
import numpy as np
import pytest
import tiny_models
from backend_process import REPOSITORY

import keras_cabvit


@pytest.mark.slow
def test_code_of_the_guide_runs(tmp_path, monkeypatch):
    for split in ("train", "test"):
        for number, name in enumerate(("dress", "hat")):
            folder = tmp_path / "clothes" / split / name
            folder.mkdir(parents=True)
            keras.utils.save_img(folder / "1.jpg", np.full((80, 70, 3), 100.0 * number + 50))
    monkeypatch.chdir(tmp_path)
    compile_model, fit, exported = keras.Model.compile, keras.Model.fit, []
    monkeypatch.setattr(
        keras.Model,
        "compile",
        lambda *args, **options: compile_model(*args, run_eagerly=True, **options),
    )
    monkeypatch.setattr(
        keras.Model, "fit", lambda *args, **options: fit(*args, **options | {"epochs": 1})
    )
    monkeypatch.setattr(
        keras_cabvit,
        "CabViTH_T",
        lambda weights, **options: tiny_models.hybrid(depths=(1, 1, 1, 1), **options),
    )
    monkeypatch.setattr(
        keras_cabvit.export, "to_tflite", lambda *args, **options: exported.append(options)
    )
    names = {}
    text = (REPOSITORY / "docs" / "finetuning.md").read_text()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "finetuning.md", "exec"), names)

    assert exported == [{"quantization": "int8"}]
    paths = {weight.path.partition("/")[0] for weight in names["frozen_model"].trainable_weights}
    assert paths == {"stage_3", "head_norm", "predictions"}
    assert (tmp_path / "lora.keras").is_file()
