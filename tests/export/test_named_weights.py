"""`cabvit export` and `cabvit verify` of the weights that the package contains."""

import json
from pathlib import Path

import pytest

from keras_cabvit.cli import main
from keras_cabvit.runtimes import open_model, open_pretrained
from keras_cabvit.weights import PRETRAINED

PHOTOGRAPHS = str(Path(__file__).parents[1] / "photographs")


@pytest.mark.slow
def test_weights_in_the_package_are_exported_and_verified_by_their_name(tmp_path, capsys):
    file = str(tmp_path / "tiny.onnx")
    assert main(["export", "onnx", "tiny_imagenet", "--output", file]) == 0
    assert PRETRAINED["tiny_imagenet"].terms in capsys.readouterr().err

    exported, source = open_model(file), open_pretrained("tiny_imagenet")
    assert exported.class_names == source.class_names
    assert exported.evaluation_crop == source.evaluation_crop == 1.0

    options = ["--against", "tiny_imagenet", "--data", PHOTOGRAPHS, "--rounds", "1", "--json"]
    assert main(["verify", file, *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["agreement"] == 1
    assert found["signal_to_noise"] > 90
