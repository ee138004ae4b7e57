import numpy as np
import pytest
from small_disk import files_of_at_most

from training.run.checkpoints import Checkpoint, CheckpointFolder


def checkpoint(value, size=10):
    return Checkpoint({"model/0000": np.full(size, value, "float32")}, {"step": value})


def test_latest_checkpoint_comes_back_as_it_was_written(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints")
    folder.write(9, checkpoint(9))
    folder.write(10, checkpoint(10))
    latest = folder.read_latest()

    assert latest.progress == {"step": 10}
    np.testing.assert_array_equal(latest.arrays["model/0000"], np.full(10, 10, "float32"))


def test_without_a_checkpoint_there_is_none(tmp_path):
    assert CheckpointFolder(tmp_path / "checkpoints").read_latest() is None


def test_latest_two_are_kept(tmp_path):
    folder = CheckpointFolder(tmp_path)
    for step in (1, 2, 30, 4):
        folder.write(step, checkpoint(step))

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step_000000004.npz",
        "step_000000030.npz",
    ]


def test_checkpoint_before_two_that_are_damaged_is_not_lost(tmp_path):
    folder = CheckpointFolder(tmp_path)
    for step in (10, 20):
        (tmp_path / f"step_{step:09}.npz").write_bytes(b"damaged")
    for step in (5, 6, 7):
        folder.write(step, checkpoint(step))
        assert folder.read_latest().progress == {"step": step}


def with_encrypted_flag(data):
    """Returns a ZIP file with one changed bit, after which its first file seems encrypted."""
    entry = data.index(b"PK\x01\x02")
    return data[: entry + 8] + bytes([data[entry + 8] ^ 1]) + data[entry + 9 :]


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-40], lambda data: b"", lambda data: b"x", with_encrypted_flag],
    ids=["end", "empty", "octet", "encrypted"],
)
def test_damaged_checkpoint_is_skipped_for_the_previous_one(tmp_path, damage):
    folder = CheckpointFolder(tmp_path)
    folder.write(1, checkpoint(1))
    folder.write(2, checkpoint(2))
    latest = tmp_path / "step_000000002.npz"
    latest.write_bytes(damage(latest.read_bytes()))

    previous = folder.read_latest()
    assert previous.progress == {"step": 1}
    assert previous.damaged == (latest,)


def test_changed_bits_are_noticed(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.write(1, checkpoint(1, size=1000))
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)

    with pytest.raises(
        ValueError, match=rf"can be read.*train anew: remove {tmp_path}, or .*--out"
    ):
        folder.read_latest()


def test_all_checkpoints_are_removed_and_other_files_are_not(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints")
    assert folder.remove_all() == 0
    folder.write(1, checkpoint(1))
    folder.write(2, checkpoint(2))
    (folder.path / ".partial-123-456.step_000000123.npz").write_bytes(b"half")
    size = sum(path.stat().st_size for path in folder.path.glob("step*"))

    assert folder.remove_all() == size
    assert not folder.path.exists()
    folder.write(1, checkpoint(1))
    (folder.path / "notes.txt").touch()
    folder.remove_all()
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]


def test_full_disk_gives_a_clear_error_and_keeps_the_checkpoint(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.write(1, checkpoint(1))

    full = r"step 2 could not be written to .*[^.]\. Earlier .*free some space"
    with files_of_at_most(1000), pytest.raises(OSError, match=full):
        folder.write(2, checkpoint(2, size=10_000))
    assert [path.name for path in tmp_path.iterdir()] == ["step_000000001.npz"]
    assert folder.read_latest().progress == {"step": 1}


def test_unwritable_folder_gives_a_clear_error(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="step 3 could not be written"):
        CheckpointFolder(tmp_path / "file" / "checkpoints").write(3, checkpoint(3))


def test_leftover_of_a_killed_process_is_removed(tmp_path):
    (tmp_path / ".partial-123-456.step_000000123.npz").write_bytes(b"half")
    CheckpointFolder(tmp_path).write(1, checkpoint(1))

    assert [path.name for path in tmp_path.iterdir()] == ["step_000000001.npz"]
