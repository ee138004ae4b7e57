import collections

import pytest

from keras_cabvit.data.folders import images_below as module
from keras_cabvit.data.folders.images_below import images_below


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_images_at_any_depth_are_sorted_by_path_and_no_folder_has_a_meaning(tmp_path):
    names = [
        "b.jpg",
        "a/z.PNG",
        "a/train/x.webp",
        "a.jpg",
        "test/c.gif",
        "test/run.json",
        "é/1.bmp",
    ]
    touch(tmp_path, *names)

    expected = sorted(tmp_path / name for name in names if not name.endswith("json"))
    assert list(images_below(tmp_path)) == expected


def test_hidden_files_and_other_files_are_left_out_and_formats_are_counted(tmp_path):
    touch(tmp_path, ".a.jpg", ".hidden/b.jpg", "__MACOSX/c.jpg", "notes.txt")
    touch(tmp_path, "d.jpg", "e.HEIC", "in/f.heic", "in/g.tif")
    not_read = collections.Counter()

    assert [path.name for path in images_below(tmp_path, not_read)] == ["d.jpg"]
    assert not_read.total() - not_read[".heic"] == not_read[".tif"] == 1


def test_links_are_followed_but_not_in_a_circle(tmp_path):
    touch(tmp_path, "data/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "self").symlink_to(tmp_path / "data")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "data")

    found = [str(path.relative_to(tmp_path)) for path in images_below(tmp_path / "data")]
    assert found == ["data/a.jpg", "data/linked/b.jpg"]


def test_links_that_lead_nowhere_are_given_if_they_are_named_like_images(tmp_path):
    touch(tmp_path, "a.jpg")
    (tmp_path / "b.jpg").symlink_to("gone.jpg")
    (tmp_path / "c.jpg").symlink_to("c.jpg")
    (tmp_path / "notes").symlink_to("gone.txt")

    assert [path.name for path in images_below(tmp_path)] == ["a.jpg", "b.jpg", "c.jpg"]


def test_folder_inside_that_cannot_be_listed_is_given_itself(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg")
    listed = module.list_folder

    def list_folder(folder):
        if folder.name == "b":
            raise ValueError("no permission")
        return listed(folder)

    monkeypatch.setattr(module, "list_folder", list_folder)
    found = [str(path.relative_to(tmp_path)) for path in images_below(tmp_path)]
    assert found == ["a/1.jpg", "b", "c/3.jpg"]


def test_missing_folder_gives_a_clear_error_before_the_iteration(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        images_below(tmp_path / "absent")
