"""Files that are replaced between the starts of a run are noticed; copies are the same images."""

import json
import os
import shutil

import pytest
from image_files import encoded, picture, write_folder

from training.data import contents
from training.data.contents import check_contents, contents_of
from training.data.opening import open_data_set

FILE = ("ant", "0000.png")


@pytest.fixture
def images(tmp_path):
    return write_folder(tmp_path / "images", 12)


def opened(folder):
    return open_data_set(f"folder:{folder}", validation_share=0.25)


def recorded(folder):
    """Returns the record of a run on a folder, as run.json keeps it."""
    return json.loads(json.dumps({"contents": contents_of(opened(folder))}))


def replace(folder, content):
    """Replaces a file, a second later than all others were written."""
    file = folder.joinpath(*FILE)
    later = file.stat().st_mtime_ns + 10**9
    file.write_bytes(content)
    os.utime(file, ns=(later, later))


def no_reading(path):
    raise AssertionError(f"{path} was read")


def test_unchanged_files_are_not_read_again(images, tmp_path, monkeypatch):
    record = recorded(images)
    monkeypatch.setattr(contents, "file_digest", no_reading)

    check_contents(opened(images), record, tmp_path)


def test_copied_files_are_the_same_images(images, tmp_path):
    record = recorded(images)
    shutil.copytree(images, tmp_path / "copy", copy_function=shutil.copyfile)
    for file in (tmp_path / "copy").rglob("*.png"):
        os.utime(file, (0, 0))

    check_contents(opened(tmp_path / "copy"), record, tmp_path)


def test_a_replaced_file_is_named(images, tmp_path):
    record = recorded(images)
    replace(images, encoded(picture(99)) + b"longer")

    with pytest.raises(ValueError, match=r"other contents.*Changed since: ant/0000\.png\. Restore"):
        check_contents(opened(images), record, tmp_path)


def test_other_contents_of_the_same_size_are_noticed(images, tmp_path):
    record = recorded(images)
    file = images.joinpath(*FILE)
    replace(images, file.read_bytes()[:-1] + b"x")

    with pytest.raises(ValueError, match=r"ant/0000\.png"):
        check_contents(opened(images), record, tmp_path)


def test_only_sizes_of_a_large_data_set_count(images, tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "_MOST_BYTES", 100)
    monkeypatch.setattr(contents, "file_digest", no_reading)
    record = recorded(images)
    file = images.joinpath(*FILE)
    replace(images, file.read_bytes())
    check_contents(opened(images), record, tmp_path)

    replace(images, file.read_bytes() + b"longer")
    with pytest.raises(ValueError, match="training images have other contents"):
        check_contents(opened(images), record, tmp_path)


def test_runs_of_earlier_versions_and_data_without_files_are_not_checked(images, tmp_path):
    check_contents(opened(images), {}, tmp_path)
    check_contents(opened(images), {"contents": {}}, tmp_path)


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_a_file_that_cannot_be_read_does_not_stop_the_run(images, tmp_path, monkeypatch, error):
    data_set = opened(images)
    if error is FileNotFoundError:  # another program removed it since
        images.joinpath(*FILE).unlink()
    else:
        digest = contents.file_digest

        def denied(path):
            if path.endswith(os.path.join(*FILE)):
                raise PermissionError(path)
            return digest(path)

        monkeypatch.setattr(contents, "file_digest", denied)
    record = {"contents": contents_of(data_set)}

    check_contents(data_set, record, tmp_path / "run")
    assert record["contents"]["training"]["bytes"] is not None
