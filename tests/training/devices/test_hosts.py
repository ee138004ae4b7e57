import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from alike import assert_trained_alike, command
from backend_process import backend_environment
from tiny_runs import image_folder

from training.devices import hosts
from training.devices.hosts import Hosts, join

HERE = Path(__file__).parent


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def outcomes(settings, cache):
    """Runs training commands on JAX, on the CPU; returns each process' last line and output."""
    environment = backend_environment("jax")
    environment |= {
        "JAX_PLATFORMS": "cpu",
        "OPENBLAS_NUM_THREADS": "1",  # forks must not inherit threads
        # A restarted process reuses its compilations from here.
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    process = subprocess.Popen(
        [sys.executable, HERE / "start_training.py", json.dumps(settings)],
        env=environment,
        start_new_session=True,
    )
    try:
        status = process.wait(timeout=600)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    logs = [Path(each["log"]) for each in settings]
    outputs = [log.with_suffix(".out").read_text() for log in logs]
    assert status == 0, [*outputs, *(log.with_suffix(".err").read_text() for log in logs)]
    return [json.loads(output.splitlines()[-1]) | {"output": output} for output in outputs]


@pytest.mark.slow
def test_jax_trains_alike_on_one_device_on_four_and_in_two_processes(tmp_path):
    """BatchNorm included, and even when one of the processes is asked to stop."""
    images = image_folder(tmp_path / "images")
    out, cache = tmp_path / "processes", tmp_path / "cache"
    together = ["--hosts.coordinator", f"127.0.0.1:{free_port()}", "--hosts.count", "2"]
    processes = []
    for index in ("0", "1"):
        arguments = command(images, out, "data_parallel", *together, "--hosts.index", index)
        log = str(tmp_path / f"process_{index}")
        processes.append({"log": log, "commands": [arguments, arguments], "watched": str(out)})
    processes[1]["stop_at"] = 4  # of nine batches
    devices = {
        "log": str(tmp_path / "one_process"),
        "devices": 4,
        "commands": [
            command(images, tmp_path / "single", "single"),
            command(images, tmp_path / "devices", "data_parallel"),
            command(images, tmp_path / "none", "data_parallel", "--batch-size", "6"),
        ],
        "unscored": [0, 1],
    }
    first, second, devices = outcomes([*processes, devices], cache)

    assert devices["statuses"] == [0, 0, 1]
    assert "`batch_size` must be a multiple of 4" in devices["errors"][2]
    assert_trained_alike(tmp_path / "devices", tmp_path / "single")

    assert first["statuses"] == second["statuses"] == [128 + signal.SIGTERM, 0]
    assert "Resuming after step" in first["output"]
    assert "The report is in" in first["output"]
    assert_trained_alike(out, tmp_path / "single")
    # Only the first process writes.
    assert first["written"]
    assert not second["written"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"count": None}, "all three"),
        ({"coordinator": None}, "all three"),
        ({"coordinator": "10.0.0.1"}, "HOST:PORT"),
        ({"index": 2}, "from 0 to"),
    ],
)
def test_impossible_hosts_are_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        join(Hosts(**{"coordinator": "10.0.0.1:1234", "count": 2, "index": 0} | changes))


def test_port_in_use_is_named():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ValueError, match=f"Port {port} .*Choose another"):
            join(Hosts(f"127.0.0.1:{port}", 2, 0))


def test_unreachable_first_process_is_named(monkeypatch):
    monkeypatch.setattr(hosts, "PATIENCE", 0)
    port = free_port()

    with pytest.raises(ValueError, match=f"Nobody answers at 127.0.0.1:{port}"):
        join(Hosts(f"127.0.0.1:{port}", 2, 1))
