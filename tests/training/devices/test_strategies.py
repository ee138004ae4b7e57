import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from alike import assert_trained_alike, command
from tiny_runs import RECIPE, image_folder

from training.devices.hosts import Hosts
from training.devices.strategies import place

HERE = Path(__file__).parent
BACKENDS = {"mirrored": "tensorflow", "tpu": "tensorflow", "data_parallel": "jax"}


@pytest.fixture(scope="module")
def on_two_devices(run_python, tmp_path_factory):
    """The folder of two runs and their outcome, and the states of small models.

    Those are the values on two mirrored devices after a batch, with and without averages.
    """
    folder = tmp_path_factory.mktemp("on_two_devices")
    images = image_folder(folder / "images")
    too_many = "--optimization.accumulation-steps", "2"
    training = {
        # Each device has its own BatchNorm statistics.
        "frozen": True,
        "commands": [
            command(images, folder / "single", "single"),
            command(images, folder / "mirrored", "mirrored"),
            command(images, folder / "none", "mirrored", "--batch-size", "9"),
            command(images, folder / "none", "mirrored", *too_many),
        ],
        "unscored": [0],
    }
    settings = [{"training": training}, {"momenta": [0.75, None]}]
    program = [HERE / "mirrored_devices.py", json.dumps(settings)]
    # Forks must not inherit threads.
    environment = {"CUDA_VISIBLE_DEVICES": "-1", "OPENBLAS_NUM_THREADS": "1"}
    return folder, *run_python(program, "tensorflow", **environment)


def test_mirrored_devices_train_as_one(on_two_devices):
    folder, outcome, _ = on_two_devices

    assert outcome["statuses"] == [0, 0, 1, 1]
    assert_trained_alike(folder / "mirrored", folder / "single")
    errors = outcome["errors"]
    assert "`batch_size` must be a multiple of 2" in errors[2]
    assert "--strategy data_parallel" in errors[3]


@pytest.fixture(scope="module")
def mirrored(on_two_devices):
    """The state of two mirrored devices after a batch, with and without averages."""
    *_, states = on_two_devices
    return states


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


def test_mirrored_devices_are_evaluated_with_the_saved_weights(mirrored):
    averaged, plain = mirrored

    assert averaged["evaluated"] == [averaged["averages"][0]] * 2
    assert plain["evaluated"] == [plain["weights"][0]] * 2


@pytest.mark.every_backend
@pytest.mark.parametrize(
    "strategy", [name for name, backend in BACKENDS.items() if backend != keras.config.backend()]
)
def test_strategy_of_another_backend_is_refused_with_an_alternative(strategy):
    instead = {
        "tensorflow": "or pass --strategy mirrored",
        "jax": "or pass --strategy data_parallel",
        "torch": "on the torch backend",
    }[keras.config.backend()]

    with pytest.raises(ValueError, match=f"KERAS_BACKEND={BACKENDS[strategy]}.*{instead}"):
        place(strategy)


@pytest.mark.every_backend
@pytest.mark.parametrize("strategy", ["single"] + ["auto"] * (keras.config.backend() != "jax"))
def test_several_hosts_are_refused_unless_they_can_train_together(strategy):
    with pytest.raises(ValueError, match=r"JAX backend only.*--strategy data_parallel"):
        place(strategy, hosts=Hosts("127.0.0.1:1234", 2, 0))


@pytest.mark.every_backend
def test_hosts_without_values_are_none():
    assert place("single", RECIPE, Hosts()).share.count == 1


def test_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match=r"must be one of auto, single, .*'fast'"):
        place("fast")


@pytest.mark.skipif(os.path.exists("/dev/accel0"), reason="there is a TPU")
@pytest.mark.parametrize("name", [None, "grpc://127.0.0.1:9"])
def test_missing_tpu_is_refused(name, monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    if name:
        monkeypatch.setenv("TPU_NAME", name)

    with pytest.raises(ValueError, match=r"No TPU was found.*tpu-tensorflow"):
        place("tpu")
