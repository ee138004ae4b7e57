"""A finished run, and a stand-in for the Hub on loopback."""

import huggingface_hub.constants
import pytest
import tiny_models
from stand_in_hub import TOKEN, Hub
from written_run import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run. Tests must not change it."""
    folder = tmp_path_factory.mktemp("run") / "clothes"
    return write_run(folder, tiny_models.pattern_classifier())


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A stand-in for the Hub, which `huggingface_hub` uses as the user ann."""
    hub = Hub()
    hub.tokens = {TOKEN: ("ann", True)}
    settings = huggingface_hub.constants
    monkeypatch.setattr(settings, "ENDPOINT", hub.address)
    files = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(settings, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr(settings, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(settings, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(settings, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub.running():
        yield hub
