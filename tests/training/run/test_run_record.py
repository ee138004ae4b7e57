"""The record of a run."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

from training.recipes.quickstart import QUICKSTART
from training.run.options import TrainOptions
from training.run.record import hardware, run_record


@pytest.mark.parametrize(
    ("cores", "devices", "start", "end"),
    [
        ({0}, ["cpu:0", "gpu:0"], "1 core, ", ", 1 GPU"),
        ({0, 1}, ["tpu:0", "tpu:1"], "2 cores, ", ", 2 TPUs"),
    ],
)
def test_hardware_is_counted(monkeypatch, cores, devices, start, end):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: cores, raising=False)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: devices)
    assert hardware().startswith(start)
    assert hardware().endswith(end)


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("password", ["secret", "my secret"])
def test_command_is_recorded_without_passwords(monkeypatch, given, password):
    log = f"mlflow:postgresql://ann:{password}@host/runs?sslpassword=key"
    monkeypatch.setattr(sys, "argv", ["training", "train", "--log", log])
    data_set = SimpleNamespace(
        source=None,
        training=SimpleNamespace(size=1),
        validation=SimpleNamespace(size=1),
        test=None,
        class_names=("ant", "bee"),
        class_counts=dict,
        checksums=dict,
        validation_note="",
        all_notes=(),
    )
    record = run_record(
        QUICKSTART,
        TrainOptions("folder:photos", Path("run")),
        SimpleNamespace(strategy="none", replicas=1),
        data_set,
        f"python -m training train --log '{log}'" if given else None,
    )
    hidden = "mlflow:postgresql://***@host/runs?sslpassword=***"
    assert record["command"] == f"python -m training train --log '{hidden}'"
