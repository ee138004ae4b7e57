"""A run on large photographs reads reduced copies, and removes them at its end."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from large_photographs import CROPS, write_large_photographs
from tiny_runs import RECIPE
from two_layers import replace_models

from training.data.broken import BrokenImages
from training.data.opening import open_data_set
from training.devices.strategies import place
from training.run import run as run_module
from training.run.options import TrainOptions
from training.run.run import Run
from training.train import train

MODEL = dataclasses.replace(RECIPE.model, image_size=(16, 16), patch_size=4)
LARGE = dataclasses.replace(RECIPE, model=MODEL, augmentation=CROPS, group_duplicates=False)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return write_large_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(autouse=True)
def small_models_and_no_scores(monkeypatch):
    replace_models(monkeypatch)
    monkeypatch.setattr(run_module, "write_results", lambda *_: {})


@pytest.mark.slow
def test_copies_are_read_while_training(photographs, tmp_path, monkeypatch, capsys):
    """The batches that they make are compared in test_reduced_copies.py."""
    read, copies = [], tmp_path / "run" / "reduced"
    batch = np.zeros((8, 16, 16, 3), "float32"), np.eye(2, dtype="float32")[[0, 1] * 4]

    def training_batches(split, *_):
        def batches():
            while True:
                assert any(copies.iterdir())
                yield batch

        read.append(split)
        signature = tuple(map(tf.type_spec_from_value, batch))
        return tf.data.Dataset.from_generator(batches, output_signature=signature)

    monkeypatch.setattr(run_module, "training_batches", training_batches)

    train(LARGE, TrainOptions(f"folder:{photographs}", tmp_path / "run", log=()))

    assert (
        f"Reduced copies of large photographs, about 1 MB, are kept in {tmp_path}/run/reduced"
        in capsys.readouterr().out
    )
    assert [type(split).__name__ for split in read] == ["CopiedSplit"]
    assert not copies.exists()


@pytest.mark.parametrize(("wanted", "epochs"), [(False, 9), (True, 1)])
def test_files_are_read_if_it_is_asked_for_or_only_once(photographs, tmp_path, wanted, epochs):
    options = TrainOptions(f"folder:{photographs}", tmp_path / "run", reduced_copies=wanted)
    data_set = open_data_set(options.data)
    run = Run(LARGE, options, place("single", LARGE, None), data_set, BrokenImages(24))

    assert run.training_images(epochs) is data_set.training
    assert not (tmp_path / "run").exists()
