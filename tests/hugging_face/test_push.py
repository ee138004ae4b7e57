"""`cabvit push`: repositories on a stand-in for the Hub, and what the Hub refuses."""

import json
import socket

import huggingface_hub.constants
import keras
import numpy as np
import pytest
import tiny_models
from model_weights import assert_equal, weights_of
from small_disk import files_of_at_most
from stand_in_hub import TOKEN, Repository
from written_run import write_run

from keras_cabvit.cli import main
from keras_cabvit.runtimes import open_model

FILES = {
    "README.md", "config.json", "metadata.json", "model.weights.h5", "labels.txt", "run.json",
    "curves.png", "confusion.png", "calibration.png",
}  # fmt: skip


def pushed_files(hub, branch="main"):
    return hub.repositories["ann/clothes"].branches[branch]


@pytest.mark.slow
def test_pushed_model_loads_from_the_hub_with_equal_weights(tiny_plain, hub, tmp_path, capsys):
    run = write_run(tmp_path / "run", tiny_plain)
    assert main(["push", str(run), "ann/clothes", "--license", "mit"]) == 0

    loaded = keras.saving.load_model("hf://ann/clothes")
    assert_equal(weights_of(loaded), weights_of(tiny_plain))
    assert loaded.to_json() == tiny_plain.to_json()
    assert pushed_files(hub).keys() - {".gitattributes"} == FILES
    assert f"{hub.address}/ann/clothes (public)" in capsys.readouterr().out


def test_downloaded_repository_predicts_as_the_run_does(run, hub):
    main(["push", str(run), "ann/clothes"])

    opened = open_model(huggingface_hub.snapshot_download("ann/clothes"))
    images = tiny_models.patterned_images((64, 64, 3), 5)
    np.testing.assert_array_equal(opened.predict(images), open_model(run).predict(images))
    assert opened.class_names == tuple(tiny_models.LABELS)
    assert opened.evaluation_crop == 0.75


def test_later_push_removes_what_it_no_longer_has_and_keeps_files_of_others(run, hub):
    main(["push", str(run), "ann/clothes", "--photographs", "--message", "First"])
    assert "mistakes.png" in pushed_files(hub)
    pushed_files(hub)["notes.md"] = b"Written on the Hub"
    main(["push", str(run), "ann/clothes"])

    assert pushed_files(hub).keys() - {".gitattributes"} == FILES | {"notes.md"}
    assert hub.repositories["ann/clothes"].messages == ["First", "Push with keras_cabvit"]


def test_revision_is_a_branch_that_is_created(run, hub, capsys):
    for _ in range(2):
        assert main(["push", str(run), "ann/clothes", "--revision", "v2"]) == 0
        printed = capsys.readouterr().out
        assert "`hf download ann/clothes --revision v2 --local-dir clothes`" in printed
        assert 'load_model("hf://' not in printed

    assert pushed_files(hub, "v2").keys() >= FILES
    card = pushed_files(hub, "v2")["README.md"].decode()
    assert "hf download ann/clothes --revision v2 --local-dir clothes" in card
    assert 'keras.saving.load_model("clothes")' in card
    folder = huggingface_hub.snapshot_download("ann/clothes", revision="v2")
    assert_equal(weights_of(keras.saving.load_model(folder)), weights_of(open_model(run).runtime))
    assert pushed_files(hub).keys() == {".gitattributes"}


def test_private_repository_is_private(run, hub, capsys):
    assert main(["push", str(run), "ann/clothes", "--private"]) == 0

    assert hub.repositories["ann/clothes"].private
    assert "ann/clothes (private)" in capsys.readouterr().out


def test_private_push_to_a_public_repository_is_refused(run, hub, capsys):
    hub.repositories["ann/clothes"] = Repository(private=False)

    assert main(["push", str(run), "ann/clothes", "--private"]) == 1
    assert "exists and is public, which `private` does not change" in capsys.readouterr().err
    assert pushed_files(hub).keys() == {".gitattributes"}


@pytest.mark.parametrize(
    ("arguments", "tokens", "sentence"),
    [
        (["ann/clothes"], {}, "does not accept the token. Create a token"),
        (["ann/clothes"], {TOKEN: ("ann", False)}, "may not write to ann/clothes"),
        (["anne/clothes"], {TOKEN: ("ann", True)}, "may not write to anne/clothes"),
        (["clothes"], {TOKEN: ("ann", True)}, "must be OWNER/NAME"),
        (["ann/my clothes"], {TOKEN: ("ann", True)}, "must be OWNER/NAME"),
        (["https://huggingface.co/ann/clothes"], {TOKEN: ("ann", True)}, "must be OWNER/NAME"),
        (["ann/clothes", "--license", "Apache"], {TOKEN: ("ann", True)}, "refuses the metadata"),
    ],
)
def test_refusals_give_a_clear_error_and_create_nothing(
    arguments, tokens, sentence, run, hub, capsys
):
    hub.tokens = tokens

    assert main(["push", str(run), *arguments]) == 1
    errors = capsys.readouterr().err
    assert sentence in errors
    assert TOKEN not in errors
    assert hub.repositories == {}


def test_repository_without_the_right_to_write_gives_a_clear_error(run, hub, capsys):
    hub.repositories["bea/clothes"] = Repository(private=False)

    assert main(["push", str(run), "bea/clothes"]) == 1
    assert "must be bea, or a member of the organization bea" in capsys.readouterr().err


def test_missing_token_is_noticed_without_the_network(run, hub, monkeypatch, capsys):
    monkeypatch.delenv("HF_TOKEN")

    assert main(["push", str(run), "ann/clothes"]) == 1
    assert "There is no token" in capsys.readouterr().err
    assert hub.requests == []


def test_token_of_the_log_in_is_used(run, hub, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "token").write_text(TOKEN)

    assert main(["push", str(run), "ann/clothes"]) == 0


def test_unreachable_hub_gives_a_clear_error(run, hub, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)

    assert main(["push", str(run), "ann/clothes"]) == 1
    assert f"The Hub at {address} cannot be reached" in capsys.readouterr().err


def test_failing_hub_gives_a_clear_error(run, hub, capsys):
    hub.failing = "/commit/"

    assert main(["push", str(run), "ann/clothes"]) == 1
    assert "The Hub failed with status 500" in capsys.readouterr().err
    assert pushed_files(hub).keys() == {".gitattributes"}


@pytest.mark.parametrize(
    ("changes", "removed", "sentence"),
    [
        ({"finished": None}, (), "has not finished. The command that started it"),
        ({}, ("run.json",), "it has no run.json"),
        ({}, ("labels.txt",), "labels.txt was removed"),
        ({"scores": {"top1": "high"}}, (), "top1 must be a number"),
    ],
)
def test_what_is_no_finished_run_is_refused(changes, removed, sentence, hub, tmp_path, capsys):
    run = write_run(tmp_path / "run", tiny_models.pattern_classifier(), **changes)
    for name in removed:
        (run / name).unlink()

    assert main(["push", str(run), "ann/clothes"]) == 1
    assert sentence in capsys.readouterr().err
    assert hub.repositories == {}


def test_damaged_model_is_refused(run, hub, tmp_path, capsys):
    damaged = write_run(tmp_path / "run", tiny_models.pattern_classifier())
    (damaged / "model.keras").write_bytes(b"text")

    assert main(["push", str(damaged), "ann/clothes"]) == 1
    assert "model.keras is damaged, or is no .keras file" in capsys.readouterr().err
    assert hub.repositories == {}


def test_dry_run_writes_what_is_pushed_and_asks_nobody(run, hub, tmp_path, capsys):
    main(["push", str(run), "ann/clothes"])
    pushed, hub.requests = pushed_files(hub), []
    assert main(["push", str(run), "ann/clothes", "--dry-run", str(tmp_path / "dry")]) == 0

    written = {file.name: file.read_bytes() for file in (tmp_path / "dry").iterdir()}
    assert written.keys() - {".complete"} == FILES
    assert written | pushed == pushed | {".complete": b"repository"}
    assert hub.requests == []
    assert "Nothing was pushed." in capsys.readouterr().out


def test_full_disk_is_named_and_nothing_is_written(run, hub, tmp_path, capsys):
    with files_of_at_most(1000):
        assert main(["push", str(run), "ann/clothes", "--dry-run", str(tmp_path / "dry")]) == 1
    assert "The disk is full" in capsys.readouterr().err
    assert not (tmp_path / "dry").exists()


def test_nothing_that_is_pushed_names_a_folder_of_the_computer(run, hub):
    main(["push", str(run), "ann/clothes"])

    text = b"".join(pushed_files(hub).values())
    assert b"/home/ann" not in text
    assert json.loads(pushed_files(hub)["run.json"])["recipe"]["evaluation_crop"] == 0.75
