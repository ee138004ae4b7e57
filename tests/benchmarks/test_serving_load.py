"""The client answers for every file under load, and survives a restart of the server."""

import pytest
from backend_process import REPOSITORY

from benchmarks import serving_load


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_no_answer_is_lost_while_the_server_restarts(protocol, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(serving_load, "_ABSENCE", 0.5)
    results = list(serving_load.measure(300, [4], protocols=[protocol]))
    timed, memory, without_retries, with_retries = results

    assert 5 <= timed["p50_ms"] <= timed["p99_ms"]
    assert memory["growth_mb"] < 20
    assert without_retries["answered"] + without_retries["failed"] == 300
    assert without_retries["failed"] > 0
    assert with_retries == without_retries | {"retries": 6, "answered": 300, "failed": 0}
