import errno
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from backend_process import WITHOUT_BACKEND
from small_disk import files_of_at_most

from keras_cabvit.atomic_files import (
    atomic_path,
    check_space,
    check_writable,
    remove_abandoned,
    temporary_path,
    write_text_atomically,
)

KILLED = """
import os, signal, sys
from keras_cabvit.atomic_files import atomic_path
path, kind = sys.argv[1:]
with atomic_path(path) as first, atomic_path(path) as second:
    for partial in (first, second):
        if kind == "folder":
            partial.mkdir()
            partial = partial / "file"
        partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def write_half(path, error):
    with atomic_path(path) as partial:
        partial.write_text("half")
        raise error


def test_file_and_folder_appear_only_when_the_block_ends(tmp_path):
    with atomic_path(tmp_path / "new" / "model.keras") as partial:
        partial.write_text("new")
        assert partial.name.endswith(".keras")
        assert not (tmp_path / "new" / "model.keras").exists()
    with atomic_path(tmp_path / "new" / "1") as partial:
        partial.mkdir()
        (partial / "file").touch()

    assert (tmp_path / "new" / "model.keras").read_text() == "new"
    assert names(tmp_path / "new") == ["1", "model.keras"]
    assert names(tmp_path / "new" / "1") == ["file"]


def test_folder_is_refused_before_the_work_whose_result_it_cannot_hold(tmp_path):
    (tmp_path / "model.tflite").mkdir()

    with pytest.raises(IsADirectoryError, match=r"/model\.tflite is a folder\. Give the path of a"):
        check_writable(tmp_path / "model.tflite")
    assert names(tmp_path) == ["model.tflite"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_existing_file_survives_an_error(tmp_path, error):
    path = tmp_path / "model.keras"
    path.write_text("old")

    with pytest.raises(error):
        write_half(path, error)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["model.keras"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_leftover_of_a_killed_process_is_removed_a_day_later(tmp_path, kind, monkeypatch):
    path = tmp_path / "model[1]"  # the name is also a pattern
    subprocess.run([sys.executable, "-c", KILLED, path, kind], env=WITHOUT_BACKEND)
    _, fresh = tmp_path.iterdir()
    in_two_days = time.time() + 2 * 24 * 3600
    monkeypatch.setattr("time.time", lambda: in_two_days)
    os.utime(fresh, (in_two_days, in_two_days))
    with atomic_path(path) as partial:
        partial.write_text("whole")

    assert path.read_text() == "whole"
    assert names(tmp_path) == sorted([fresh.name, path.name])


def test_file_with_the_time_of_its_original_is_not_abandoned(tmp_path):
    path = tmp_path / "photograph.jpg"
    with atomic_path(path) as partial:
        partial.write_text("a copy")
        os.utime(partial, (0, 0))
        remove_abandoned(tmp_path, "*")

    assert path.read_text() == "a copy"


def test_concurrent_writers_of_one_file_do_not_collide(tmp_path):
    path = tmp_path / "labels.txt"
    together = threading.Barrier(2, timeout=60)

    def write(text):
        with atomic_path(path) as partial:
            partial.write_text(text)
            together.wait()
            assert partial.read_text() == text

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, ("cat", "a dog")))
    assert path.read_text() in ("cat", "a dog")
    assert names(tmp_path) == ["labels.txt"]


def test_text_is_written_as_utf8_and_replaces_an_existing_file(tmp_path):
    path = tmp_path / "new" / "labels.txt"
    write_text_atomically(path, "cat\n")
    write_text_atomically(path, "Kätzchen\n")

    assert path.read_bytes() == "Kätzchen\n".encode()
    assert names(path.parent) == ["labels.txt"]


@pytest.mark.parametrize("name", ["x" * 243 + ".weights.h5", "猫" * 82 + ".npz"])
def test_name_as_long_as_the_file_system_allows(tmp_path, name):
    with atomic_path(tmp_path / name) as partial:
        assert partial.name.endswith((".weights.h5", ".npz"))
        partial.touch()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_bytes_of_a_file_name_that_are_not_text_are_escaped(tmp_path):
    path = tmp_path / "report.md"
    write_text_atomically(path, os.fsdecode(b"--out run\xff"))
    assert path.read_text(encoding="utf-8") == r"--out run\udcff"


def test_full_disk_gives_a_clear_error_and_leaves_nothing(tmp_path):
    path = tmp_path / "new" / "folder" / "report.md"
    sentence = f"The disk is full, or the limit on .* Nothing was written to {path.parent}\\."
    with files_of_at_most(10_000), pytest.raises(OSError, match=sentence):
        write_text_atomically(path, "a" * 20_000)
    assert names(tmp_path) == []
    # As TensorFlow reports it.
    with pytest.raises(OSError, match=sentence):
        write_half(path, RuntimeError("a.data-00000; No space left on device [Op:SaveV2]"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_folder_without_the_right_to_write_is_named(tmp_path, monkeypatch, code):
    path = tmp_path / "folder" / "model.keras"
    path.parent.mkdir()
    really_open = os.open

    def refuse(name, *arguments, **options):  # as for a user who is not root
        if os.fspath(name).startswith(os.fspath(path.parent)):
            raise OSError(code, os.strerror(code), os.fspath(name))
        return really_open(name, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="cannot be written") as error, atomic_path(path):
        raise AssertionError("The work begins although nothing can be written.")
    assert str(error.value) == (
        f"{path} cannot be written: {os.strerror(code)}. Grant the right to write to "
        f"{path.parent}, or choose another path."
    )
    assert error.value.errno == code
    assert names(path.parent) == []


def test_error_names_the_path_that_the_user_knows(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "served"
    sentence = f"^{path} cannot be written: Not a directory. Choose another path.$"
    with pytest.raises(OSError, match=sentence), temporary_path(path / "version", named=path):
        raise AssertionError("The work begins although nothing can be written.")


def test_folder_that_may_not_be_created_is_no_remedy(tmp_path, monkeypatch):
    def refuse(name, *_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(name))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(PermissionError, match=f"Grant the right to write to {tmp_path}, or"):
        write_text_atomically(tmp_path / "new" / "folder" / "labels.txt", "new")


def test_path_that_can_be_no_file_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path, reason in ((tmp_path / "folder", "Is a directory"), (tmp_path / "file" / "a", ".*")):
        with pytest.raises(OSError, match=f"^{path} cannot be written: {reason}. Choose another"):
            write_text_atomically(path, "new")
    assert names(tmp_path) == ["file", "folder"]


def test_other_errors_remain_what_they_are(tmp_path):
    with pytest.raises(RuntimeError, match="unrelated"):
        write_half(tmp_path / "new" / "a", RuntimeError("unrelated"))
    interruption = KeyboardInterrupt()
    interruption.__context__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "new" / "a", interruption)
    assert names(tmp_path) == []


@pytest.mark.parametrize("reserves", [True, False])
def test_space_is_checked_without_a_trace(tmp_path, monkeypatch, reserves):
    if not reserves:
        monkeypatch.delattr(os, "posix_fallocate")
    check_space(tmp_path / "a", 3_000_000)
    with files_of_at_most(2_000_000), pytest.raises(OSError, match="File too large"):
        check_space(tmp_path / "a", 3_000_000)
    assert names(tmp_path) == []
