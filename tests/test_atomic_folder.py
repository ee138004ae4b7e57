import subprocess
import sys
import time

import pytest
from backend_process import WITHOUT_BACKEND

from keras_cabvit.atomic_files import atomic_folder

# Dies after the earlier folder is moved away and before the new one is moved in.
KILLED = """
import os, signal, sys
from keras_cabvit.atomic_files import atomic_folder

def rename_and_die(source, target, rename=os.rename):
    rename(source, target)
    os.kill(os.getpid(), signal.SIGKILL)

os.rename = rename_and_die
with atomic_folder(sys.argv[1], "test") as partial:
    (partial / "file").write_text("new")
"""


def write(path, text):
    with atomic_folder(path, "test") as partial:
        (partial / "file").write_text(text)


def write_half(path, error):
    with atomic_folder(path, "test") as partial:
        (partial / "file").write_text("half")
        raise error


def test_folder_appears_only_when_the_block_ends(tmp_path):
    with atomic_folder(tmp_path / "run", "test") as partial:
        (partial / "file").write_text("new")
        assert not (tmp_path / "run").exists()

    assert (tmp_path / "run" / "file").read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_later_run_replaces_the_whole_folder(tmp_path):
    write(tmp_path / "run", "old")
    (tmp_path / "run" / "extra").touch()
    write(tmp_path / "run", "new")

    assert (tmp_path / "run" / "file").read_text() == "new"
    assert not (tmp_path / "run" / "extra").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_interrupted_run_keeps_the_existing_folder(tmp_path, error):
    write(tmp_path / "run", "old")

    with pytest.raises(error):
        write_half(tmp_path / "run", error)
    assert (tmp_path / "run" / "file").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_folder_written_by_something_else_is_refused_and_kept(tmp_path):
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "mine").write_text("mine")

    with pytest.raises(ValueError, match="was not written by this command"):
        write(tmp_path / "photographs", "new")
    assert (tmp_path / "photographs" / "mine").read_text() == "mine"


def test_leftover_of_a_killed_process_is_removed_a_day_later(tmp_path, monkeypatch):
    write(tmp_path / "run", "old")
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "run"], env=WITHOUT_BACKEND)
    leftovers = list(tmp_path.iterdir())
    assert len(leftovers) == 2
    in_two_days = time.time() + 2 * 24 * 3600
    monkeypatch.setattr("time.time", lambda: in_two_days)
    write(tmp_path / "run", "new")

    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_of_two_folders_written_at_once_the_later_one_stays(tmp_path):
    with atomic_folder(tmp_path / "run", "test") as first:
        (first / "file").write_text("first")
        with atomic_folder(tmp_path / "run", "test") as second:
            (second / "file").write_text("second")

    assert (tmp_path / "run" / "file").read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def write_while_a_folder_appears(path):
    with atomic_folder(path, "test") as partial:
        (partial / "file").write_text("new")
        path.mkdir()
        (path / "mine").write_text("mine")


def test_folder_that_appears_in_the_meantime_is_kept(tmp_path):
    with pytest.raises(ValueError, match="was not written by this command"):
        write_while_a_folder_appears(tmp_path / "run")
    assert [entry.name for entry in (tmp_path / "run").iterdir()] == ["mine"]


def test_folder_of_another_kind_is_not_replaced(tmp_path):
    path = tmp_path / "clothes"
    with atomic_folder(path, "published run") as partial:
        (partial / "model.keras").touch()
    with (
        pytest.raises(ValueError, match="was not written by this command"),
        atomic_folder(path, "repository"),
    ):
        pass
    assert (path / "model.keras").is_file()

    (path / ".complete").write_bytes(b"")  # as earlier versions wrote it
    with atomic_folder(path, "repository"):
        pass
    assert [file.name for file in path.iterdir()] == [".complete"]
