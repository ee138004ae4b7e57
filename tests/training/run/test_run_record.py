"""The record of a run."""

import os

import keras
import pytest

from training.run.record import hardware


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
