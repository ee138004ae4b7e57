"""`weights="imagenet"`: from the cache, the registry or a mirror, or a clear error."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from keras_cabvit.weights import registry
from keras_cabvit.weights.cache import cache_folder, weights_path
from keras_cabvit.weights.checksums import read_checksum, verify_checksum, write_checksum
from keras_cabvit.weights.download import WeightsDownloadError
from keras_cabvit.weights.imagenet import imagenet_weights_path
from keras_cabvit.weights.registry import PublishedWeights, published_weights

CONTENT = np.random.default_rng(1).bytes(100_000)
OTHER = np.random.default_rng(2).bytes(100_000)
NAME = "CabViTH_S_imagenet.weights.h5"
ENTRY = {
    "variant": "CabViTH_S",
    "url": "https://example.org/weights.h5",
    "sha256": "a" * 64,
    "size": 100_000,
    "top1": 82.5,
    "source": "trained for this test",
    "licence": "Apache-2.0",
}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, no mirror, an empty registry."""
    home = tmp_path / "home"
    monkeypatch.setenv("KERAS_CABVIT_HOME", str(home))
    monkeypatch.delenv("KERAS_CABVIT_WEIGHTS_URL", raising=False)
    monkeypatch.setattr(registry, "REGISTRY_PATH", tmp_path / "registry.json")
    registry.REGISTRY_PATH.write_text("[]")
    return home


@pytest.fixture
def cached(home):
    """The file's path in the cache; after every test it holds a complete file, or none."""
    home.mkdir()
    yield home / NAME
    assert not (home / NAME).exists() or (home / NAME).read_bytes() in (CONTENT, OTHER)


@pytest.fixture
def publish(home, file_server):
    """Puts a file on the server, and an entry for CONTENT, or given fields, in the registry."""

    def publish(served=CONTENT, **fields):
        url = file_server.serve("/published.h5", served)
        entry = ENTRY | {"url": url, "sha256": sha256(CONTENT), "size": len(CONTENT)} | fields
        registry.REGISTRY_PATH.write_text(json.dumps([entry]))

    return publish


@pytest.fixture
def mirror(home, file_server, monkeypatch):
    """Sets up a mirror with a file and its checksum."""

    def mirror(content=CONTENT, checksum=None, name=NAME):
        file_server.serve(f"/mirror/{name}", content)
        checksum = checksum or f"{sha256(content)}  {name}\n".encode()
        file_server.serve(f"/mirror/{name}.sha256", checksum)
        monkeypatch.setenv("KERAS_CABVIT_WEIGHTS_URL", file_server.url("/mirror"))

    return mirror


def asked(file_server):
    return [path for path, _ in file_server.requests]


# The cache.


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "user/.keras/models"),
        ({"KERAS_HOME": "k"}, "k/models"),
        ({"KERAS_HOME": "~/k"}, "user/k/models"),
        ({"KERAS_CABVIT_HOME": "c"}, "c"),
        ({"KERAS_CABVIT_HOME": "~/c"}, "user/c"),
        ({"KERAS_CABVIT_HOME": "c", "KERAS_HOME": "k"}, "c"),
        ({"KERAS_CABVIT_HOME": "", "KERAS_HOME": ""}, "user/.keras/models"),
    ],
)
def test_cache_folder(monkeypatch, variables, expected):
    for name in ("KERAS_CABVIT_HOME", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "user", "USERPROFILE": "user"} | variables).items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)
    assert weights_path("CabViTH_S") == Path(expected) / NAME


def test_checksum_round_trip(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    assert verify_checksum(path) is None
    checksum = write_checksum(path)
    assert checksum == tmp_path / f"{NAME}.sha256"
    assert checksum.read_bytes() == f"{sha256(CONTENT)}  {NAME}\n".encode()
    assert verify_checksum(path) is True
    path.write_bytes(OTHER)
    assert verify_checksum(path) is False
    write_checksum(path)
    assert verify_checksum(path) is True
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [NAME, f"{NAME}.sha256"]


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs the sha256sum tool")
def test_checksum_matches_the_tools(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    text = write_checksum(path).read_text()
    command = ["sha256sum", "--check", "--strict", f"{NAME}.sha256"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    for mode in ("--text", "--binary"):
        tool = subprocess.run(["sha256sum", mode, NAME], cwd=tmp_path, capture_output=True)
        assert read_checksum(tool.stdout.decode()) == read_checksum(text) == sha256(CONTENT)


@pytest.mark.parametrize("text", ["A" * 64, f"{'a' * 64} *{NAME}\r\n", f"\n{'a' * 64}  a b.h5"])
def test_checksum_forms(text):
    assert read_checksum(text) == "a" * 64


@pytest.mark.parametrize(
    "text", ["", "<html>", "a" * 63, "a" * 65, "a" * 64 + "\n" + "b" * 64, f"{NAME}  {'a' * 64}"]
)
def test_malformed_checksum(text):
    with pytest.raises(ValueError, match="A checksum must be one line, 64 hexadecimal digits"):
        read_checksum(text)


def test_unwritable_checksum_leaves_the_old_one(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    write_checksum(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        write_checksum(path)
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{NAME}.sha256"]


def test_unplaceable_checksum_leaves_nothing(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    (tmp_path / f"{NAME}.sha256").mkdir()
    with pytest.raises(OSError, match=r"\.sha256"):
        write_checksum(path)
    assert len(list(tmp_path.iterdir())) == 2


# A file in the cache.


def test_converted_file_is_found(cached):
    cached.write_bytes(OTHER)
    write_checksum(cached)
    assert imagenet_weights_path("CabViTH_S") == cached


def test_file_without_a_checksum_is_trusted(cached):
    cached.write_bytes(OTHER)
    assert imagenet_weights_path("CabViTH_S") == cached


def test_damaged_file_is_refused_and_kept(cached, mirror, file_server):
    mirror()
    cached.write_bytes(CONTENT)
    write_checksum(cached)
    cached.write_bytes(OTHER)
    with pytest.raises(ValueError, match="is not the file that was put there") as raised:
        imagenet_weights_path("CabViTH_S")
    assert str(cached) in str(raised.value)
    assert "`cabvit convert CHECKPOINT.pth --variant CabViTH_S`" in str(raised.value)
    assert "delete the file" in str(raised.value)
    assert cached.read_bytes() == OTHER
    assert not file_server.requests


def test_damaged_checksum_is_named(cached):
    cached.write_bytes(CONTENT)
    write_checksum(cached).write_text("nonsense")
    with pytest.raises(ValueError, match=rf"{NAME}.sha256 holds no checksum. .*nonsense"):
        imagenet_weights_path("CabViTH_S")


def test_mirror_is_not_contacted_for_a_cached_file(cached, mirror, file_server):
    mirror()
    cached.write_bytes(OTHER)
    assert imagenet_weights_path("CabViTH_S") == cached
    assert not file_server.requests


# The registry.


def test_published_file_is_downloaded_once(cached, publish, file_server):
    publish()
    for _ in range(2):
        assert imagenet_weights_path("CabViTH_S") == cached
    assert cached.read_bytes() == CONTENT
    assert verify_checksum(cached) is True
    assert asked(file_server) == ["/published.h5"]


def test_cached_file_that_differs_from_the_published_one_is_replaced(cached, publish):
    publish()
    cached.write_bytes(OTHER)
    write_checksum(cached)
    imagenet_weights_path("CabViTH_S")
    assert cached.read_bytes() == CONTENT
    assert verify_checksum(cached) is True


def test_failed_replacement_keeps_the_cached_file(cached, publish, file_server):
    publish()
    file_server.files.clear()
    cached.write_bytes(OTHER)
    write_checksum(cached)
    with pytest.raises(WeightsDownloadError, match="404"):
        imagenet_weights_path("CabViTH_S")
    assert cached.read_bytes() == OTHER
    assert verify_checksum(cached) is True


def test_wrong_published_file(cached, publish):
    publish(served=OTHER)
    with pytest.raises(WeightsDownloadError, match=sha256(OTHER)):
        imagenet_weights_path("CabViTH_S")
    assert not cached.exists()


def test_published_size_is_checked(cached, publish):
    publish(size=len(CONTENT) + 1)
    with pytest.raises(WeightsDownloadError, match="100000 bytes where 100001 were expected"):
        imagenet_weights_path("CabViTH_S")
    assert not cached.exists()


def test_cache_that_cannot_be_created(publish, home, monkeypatch, file_server):
    publish()
    home.write_bytes(b"a file")
    monkeypatch.setenv("KERAS_CABVIT_HOME", str(home / "cache"))
    with pytest.raises(WeightsDownloadError, match="KERAS_CABVIT_HOME") as raised:
        imagenet_weights_path("CabViTH_S")
    assert str(home / "cache") in str(raised.value)
    assert not file_server.requests
    assert home.read_bytes() == b"a file"


def test_shipped_registry_is_well_formed():
    published_weights("CabViTH_S")


def test_entry_is_read(home):
    registry.REGISTRY_PATH.write_text(json.dumps([ENTRY | {"sha256": "A" * 64}]))
    assert published_weights("CabViTH_S") == PublishedWeights(**ENTRY)
    assert published_weights("CabViTH_T") is None


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "must hold a JSON list"),
        (["CabViTH_S"], "Entry 1 .* must be a JSON object"),
        ([ENTRY, ENTRY], "Entry 2 .* CabViTH_S already has an entry"),
        ([{"variant": "CabViTH_S"}], "licence, sha256, size, source, top1, url"),
        ([ENTRY | {"license": "MIT"}], "These fields are unknown: license"),
        ([ENTRY | {"variant": 3}], "`variant` must be a non-empty string"),
        ([ENTRY | {"licence": " "}], "`licence` must be a non-empty string"),
        ([ENTRY | {"source": None}], "`source` must be a non-empty string"),
        ([ENTRY | {"url": "ftp://host/file"}], "`url` must begin with https://"),
        ([ENTRY | {"sha256": "a" * 63}], "`sha256` must be 64 hexadecimal digits"),
        ([ENTRY | {"size": 0}], "`size` must be a positive number of bytes"),
        ([ENTRY | {"size": True}], "`size` must be"),
        ([ENTRY | {"top1": 101}], "`top1` must be a percentage"),
        ([ENTRY | {"top1": "82.5"}], "`top1` must be"),
    ],
)
def test_malformed_registry_is_refused(home, entries, message):
    registry.REGISTRY_PATH.write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=message) as raised:
        published_weights("CabViTP_T")
    assert str(registry.REGISTRY_PATH) in str(raised.value)


# A mirror.


@pytest.mark.parametrize("slash", ["", "/"])
def test_mirror_serves_an_unpublished_file(cached, mirror, file_server, monkeypatch, slash):
    mirror()
    monkeypatch.setenv("KERAS_CABVIT_WEIGHTS_URL", file_server.url("/mirror") + slash)
    for _ in range(2):
        assert imagenet_weights_path("CabViTH_S") == cached
    assert cached.read_bytes() == CONTENT
    assert verify_checksum(cached) is True
    assert asked(file_server) == [f"/mirror/{NAME}.sha256", f"/mirror/{NAME}"]


def test_mirror_serves_any_variant(cached, mirror):
    mirror(name="CabViTP_T_imagenet.weights.h5")
    path = imagenet_weights_path("CabViTP_T")
    assert path == cached.with_name("CabViTP_T_imagenet.weights.h5")
    assert path.read_bytes() == CONTENT


def test_mirror_may_be_a_folder(cached, tmp_path, monkeypatch):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / NAME).write_bytes(CONTENT)
    write_checksum(tmp_path / "mirror" / NAME)
    monkeypatch.setenv("KERAS_CABVIT_WEIGHTS_URL", (tmp_path / "mirror").as_uri())
    assert imagenet_weights_path("CabViTH_S").read_bytes() == CONTENT


def test_mirror_takes_precedence_over_the_published_url(cached, publish, mirror, file_server):
    publish()
    mirror()
    assert imagenet_weights_path("CabViTH_S").read_bytes() == CONTENT
    assert asked(file_server) == [f"/mirror/{NAME}"]


def test_published_hash_takes_precedence_over_the_mirrors(cached, publish, mirror):
    publish()
    mirror(OTHER)
    with pytest.raises(WeightsDownloadError, match=sha256(CONTENT)):
        imagenet_weights_path("CabViTH_S")
    assert not cached.exists()


def test_mirror_without_a_checksum(cached, mirror, file_server):
    mirror()
    del file_server.files[f"/mirror/{NAME}.sha256"]
    with pytest.raises(WeightsDownloadError, match="nothing is loaded unchecked") as raised:
        imagenet_weights_path("CabViTH_S")
    assert file_server.url(f"/mirror/{NAME}.sha256") in str(raised.value)
    assert asked(file_server) == [f"/mirror/{NAME}.sha256"]
    assert not cached.exists()


def test_mirror_with_a_web_page_instead_of_a_checksum(cached, mirror):
    mirror(checksum=b"<html>not here</html>")
    with pytest.raises(WeightsDownloadError, match=rf"{NAME}.sha256 holds no checksum. .*<html>"):
        imagenet_weights_path("CabViTH_S")
    assert not cached.exists()


def test_mirror_with_a_damaged_file(cached, mirror):
    mirror(OTHER, checksum=sha256(CONTENT).encode())
    with pytest.raises(WeightsDownloadError, match=sha256(OTHER)):
        imagenet_weights_path("CabViTH_S")
    assert not cached.exists()
    assert not cached.with_name(f"{NAME}.sha256").exists()


def test_malformed_mirror_url(cached, monkeypatch):
    monkeypatch.setenv("KERAS_CABVIT_WEIGHTS_URL", "mirror.example.org")
    with pytest.raises(ValueError, match=r"KERAS_CABVIT_WEIGHTS_URL must begin .* mirror.example"):
        imagenet_weights_path("CabViTH_S")


def test_checksum_of_a_deleted_file_is_removed(cached, mirror, file_server):
    mirror()
    cached.write_bytes(OTHER)
    checksum = write_checksum(cached)
    cached.unlink()
    del file_server.files[f"/mirror/{NAME}"]
    with pytest.raises(WeightsDownloadError):
        imagenet_weights_path("CabViTH_S")
    assert not checksum.exists()


# Nowhere.


def test_the_published_but_unlinkable_checkpoint(home):
    with pytest.raises(ValueError, match="in a place that can be linked to") as raised:
        imagenet_weights_path("CabViTH_S")
    for part in (
        "No ImageNet weights are published for CabViTH_S",
        "one checkpoint, of 16.3 M parameters, on a file-sharing page",
        "`cabvit convert CHECKPOINT.pth --variant CabViTH_S`",
        'weights="imagenet" finds it',
        "KERAS_CABVIT_WEIGHTS_URL",
        NAME,
        f"{NAME}.sha256",
    ):
        assert part in str(raised.value)
    assert not home.exists()


def test_a_variant_without_published_weights(home):
    with pytest.raises(ValueError, match="its authors have published none") as raised:
        imagenet_weights_path("CabViTP_T")
    for part in ("`cabvit convert CHECKPOINT.pth --variant CabViTP_T`", "KERAS_CABVIT_WEIGHTS_URL"):
        assert part in str(raised.value)
    assert "16.3" not in str(raised.value)
