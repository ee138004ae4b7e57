import dataclasses
import json
import sys

import keras
import pytest
from report_text import leave_out_pictures
from tiny_runs import RECIPE

from training.recipes.recipe import ModelOptions
from training.run.checkpoints import CheckpointFolder
from training.run.options import TrainOptions
from training.run.run import Run
from training.train import train


@pytest.mark.slow
@pytest.mark.usefixtures("png_files")
def test_hybrid_model_is_trained_resumed_and_scored(folder, tmp_path, monkeypatch):
    recipe = dataclasses.replace(
        RECIPE,
        model=ModelOptions("CabViTH", (32, 32), (8, 8, 16, 16), (1, 1, 2, 1), (2, 2)),
        optimization=dataclasses.replace(RECIPE.optimization, warmup_epochs=0),
        epochs=1,
    )
    options = TrainOptions(f"folder:{folder}", tmp_path / "run", log=())
    leave_out_pictures(monkeypatch)
    with monkeypatch.context() as stopped:
        stopped.setattr(Run, "_write_results", lambda *_: sys.exit(1))
        with pytest.raises(SystemExit):
            train(recipe, options)
    checkpoint = CheckpointFolder(tmp_path / "run" / "checkpoints").read_latest()
    run = train(recipe, options)

    model = keras.saving.load_model(run / "model.keras")
    kept = {array.tobytes() for array in checkpoint.arrays.values()}
    assert all(weight.tobytes() in kept for weight in model.get_weights())
    assert json.loads((run / "run.json").read_text())["scores"]["images"] == 10
