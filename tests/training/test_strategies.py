import csv
import json
import socket
from pathlib import Path

import keras
import numpy as np
import pytest
from backend_process import backend_environment
from tiny_runs import OPTIONS, image_folder

from training.checkpoints import CheckpointFolder
from training.hosts import Hosts
from training.recipes.recipe import ModelOptions, Optimization, Recipe
from training.strategies import place

HERE = Path(__file__).parent
# One image is trained on like another, wherever it is computed: no dropout, no partner in a batch.
ALIKE = [
    *("--recipe", "fashion_mnist", *OPTIONS, "--epochs", "3"),
    *("--model.drop-path-rate", "0", "--augmentation.mixup-alpha", "0"),
    # Most gradients are longer.
    *("--optimization.clip-norm", "0.05"),
]


def command(images, out, strategy, *others):
    return [
        *ALIKE,
        "--data",
        f"folder:{images}",
        "--out",
        str(out),
        "--strategy",
        strategy,
        *others,
    ]


def rows(out):
    with open(out / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def assert_trained_alike(out, expected):
    """Losses of all epochs, and in the end weights, averages and moments, agree."""
    assert len(rows(out)) == len(rows(expected)) == 3
    for row, other in zip(rows(out), rows(expected), strict=True):
        for name in ("loss", "val_cross_entropy"):
            np.testing.assert_allclose(float(row[name]), float(other[name]), rtol=1e-4)
    arrays = CheckpointFolder(out / "checkpoints").read_latest().arrays
    others = CheckpointFolder(expected / "checkpoints").read_latest().arrays
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(array, others[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_mirrored_devices_train_as_one(tmp_path, run_python):
    images = image_folder(tmp_path / "images")
    too_many = "--optimization.accumulation-steps", "2"
    settings = {
        "cpus": 2,
        # Each device has BatchNorm statistics of its own.
        "frozen": True,
        "commands": [
            command(images, tmp_path / "single", "single"),
            command(images, tmp_path / "mirrored", "mirrored"),
            command(images, tmp_path / "none", "mirrored", "--batch-size", "9"),
            command(images, tmp_path / "none", "mirrored", *too_many),
        ],
    }
    outcome = run_python(
        [HERE / "start_training.py", json.dumps(settings)], "tensorflow", CUDA_VISIBLE_DEVICES="-1"
    )

    assert outcome["statuses"] == [0, 0, 1, 1]
    assert_trained_alike(tmp_path / "mirrored", tmp_path / "single")
    assert "`batch_size` must be a multiple of 2" in outcome["errors"][2]
    assert "--strategy data_parallel" in outcome["errors"][3]


def test_data_parallel_devices_train_as_one(tmp_path, run_python):
    """BatchNorm included, whose statistics are those of the whole batch."""
    images = image_folder(tmp_path / "images")
    settings = {
        "commands": [
            command(images, tmp_path / "single", "single"),
            command(images, tmp_path / "parallel", "data_parallel"),
            command(images, tmp_path / "none", "data_parallel", "--batch-size", "6"),
        ]
    }
    flags = backend_environment("jax")["XLA_FLAGS"]
    outcome = run_python(
        [HERE / "start_training.py", json.dumps(settings)],
        "jax",
        JAX_PLATFORMS="cpu",
        XLA_FLAGS=f"{flags} --xla_force_host_platform_device_count=4",
    )

    assert outcome["statuses"] == [0, 0, 1]
    assert_trained_alike(tmp_path / "parallel", tmp_path / "single")
    assert "`batch_size` must be a multiple of 4" in outcome["errors"][2]


@pytest.fixture(scope="module")
def mirrored(run_python):
    """What two mirrored devices have after a batch, with averages and without."""
    program = [HERE / "mirrored_copies.py", json.dumps([0.75, None])]
    return run_python(program, "tensorflow", CUDA_VISIBLE_DEVICES="-1")


def test_mirrored_devices_average_their_own_copies(mirrored):
    averaged, _ = mirrored

    assert len(averaged["averages"]) == 2
    for weights, averages in zip(averaged["weights"], averaged["averages"], strict=True):
        for initial, weight, average in zip(averaged["initial"], weights, averages, strict=True):
            expected = 0.75 * np.array(initial) + 0.25 * np.array(weight)
            np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-7)


def test_moving_statistics_of_the_first_mirrored_device_are_saved(mirrored):
    for trained in mirrored:
        place = trained["names"].index("moving_mean")
        first, second = (weights[place] for weights in trained["weights"])

        assert first != second
        assert trained["saved"][place] == first


def test_mirrored_devices_are_evaluated_with_what_is_saved(mirrored):
    averaged, plain = mirrored

    assert averaged["evaluated"] == [averaged["averages"][0]] * 2
    assert plain["evaluated"] == [plain["weights"][0]] * 2
