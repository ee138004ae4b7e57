import os
import re

import pytest
from image_files import encoded, picture

from training.data.opening import open_data_set

ROWS = {
    "shelf/0.png": ("ant", "train"),
    "shelf/1.png": ("ant", "train"),
    "shelf/b/2.png": ("bee", "train"),
    "3.png": ("bee", "validation"),
    "shelf/4.png": ("ant", "test"),
}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "photographs"
    for number, name in enumerate(ROWS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(picture(number)))
    return root


def table(root, text, encoding="utf-8"):
    path = root.parent / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


def rows(delimiter=",", split=True):
    lines = [("file", "class", "split"), *((name, *values) for name, values in ROWS.items())]
    return "".join(delimiter.join(line if split else line[:2]) + "\r\n" for line in lines)


def opened(root, text, encoding="utf-8", **options):
    path = table(root, text, encoding)
    return open_data_set(f"folder:{root}", 0.4, labels=path, **options)


def listed(split):
    return dict(split.files_and_classes())


@pytest.mark.parametrize(
    ("delimiter", "encoding"),
    [(",", "utf-8"), (", ", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16")],
)
def test_classes_and_splits_are_those_of_the_table(root, delimiter, encoding):
    data_set = opened(root, rows(delimiter), encoding)

    assert data_set.class_names == ("ant", "bee")
    assert listed(data_set.training) == {
        "shelf/0.png": "ant",
        "shelf/1.png": "ant",
        "shelf/b/2.png": "bee",
    }
    assert listed(data_set.validation) == {"3.png": "bee"}
    assert listed(data_set.test) == {"shelf/4.png": "ant"}
    assert 'split "val" of' in data_set.validation_note


@pytest.mark.parametrize(
    ("named", "delimiter", "encoding"),
    [("sep=;", ";", "utf-8-sig"), ("SEP=,", ",", "utf-8"), ('"sep=|"', "|", "utf-16")],
)
def test_first_line_for_excel_names_the_delimiter(root, named, delimiter, encoding):
    text = f"{named}\r\n{rows(delimiter)}"

    assert opened(root, text, encoding).checksums() == opened(root, rows()).checksums()
    with pytest.raises(ValueError, match=r"line 6, must have a class"):
        opened(root, text.replace(f"3.png{delimiter}bee", f"3.png{delimiter}"), encoding)


def test_without_splits_validation_images_are_drawn(root):
    data_set = opened(root, rows(split=False))

    assert (data_set.training.size, data_set.validation.size, data_set.test) == (3, 2, None)
    assert sorted(listed(data_set.validation).values()) == ["ant", "bee"]


def test_order_of_the_lines_and_other_columns_change_nothing(root):
    _, *lines = rows().splitlines()
    lines = ["File,CLASS,split", *reversed(lines), lines[0]]
    other = [*(f"1,{line}" for line in lines), "", ""]

    assert opened(root, "\n".join(other)).checksums() == opened(root, rows()).checksums()


def test_images_that_are_not_listed_are_named(root):
    (root / "shelf" / "new.png").write_bytes(encoded(picture(9)))
    data_set = opened(root, rows())

    assert [left.names for left in data_set.left_out] == [(os.path.join("shelf", "new.png"),)]
    assert "shelf/new.png" in data_set.left_out_note


def test_other_columns_are_named(root):
    # Without "split" the test images of such a table are trained on.
    data_set = opened(root, rows().replace("class,split", "class,set"))

    assert "Not read in" in data_set.left_out_note
    assert "columns of labels.csv (set)" in data_set.left_out_note


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("file,class,split\r\n", "", "line 1, must be a header.*'shelf/0.png', 'ant', 'train'"),
        ("file,", "file,file,", 'line 1, must have the column "file" once'),
        ("3.png,", "4.png,", r"There is no file 4.png \(line 5\)"),
        ("shelf/4.png,", "shelf/4,", r"shelf/4 \(line 6\). Is it shelf/4.png\?"),
        ("3.png,", "../3.png,", "line 5, .* path relative to .*, and inside it.* Is it 3.png"),
        ("shelf/4", "photographs/shelf/4", "Is it shelf/4.png[?] Paths must be relative to"),
        ("shelf/4", r"C:\Users\shelf\4", "Is it shelf/4.png[?] Paths must be relative to"),
        ("3.png,bee", "3.png,bee, red", "line 5, must not have more columns .*'bee', 'red'"),
        ("3.png,bee", '3.png,"bee', "line 5, is not CSV: .* quotation mark missing"),
        ("shelf/1.png,ant", '"shelf/1.png,"ant"', "line 3, is not CSV"),
        (",validation", ",valdation", "line 5, .* train, val and test. Received: 'valdation'"),
        (",validation", ",", "line 5, .* Received: ''"),
        ("3.png,bee", "3.png,", "line 5, must have a class"),
        ("3.png,bee,validation", "3.png,bee", "line 5, must have the columns .*file, class, split"),
        ("3.png,bee", "shelf/0.png,bee", "two classes: ant in line 2 and bee in line 5"),
        ("3.png,bee", "shelf/0.png,ant", "two splits: train in line 2 and val in line 5"),
        ("bee,train", "ant,train", "training images of at least two classes. It has only ant"),
        ("test", "val", None),
        (",train", ",test", 'split "train". It lists none'),
        ("3.png,bee", "3.png,Bee", 'split "val" .*not have classes.* Is Bee the class bee'),
    ],
)
def test_mistakes_give_a_clear_error(root, old, new, message):
    text = rows().replace(old, new)
    if message is None:
        assert opened(root, text).validation.size == 2
        return
    with pytest.raises(ValueError, match=message):
        opened(root, text)


def test_text_that_is_not_utf8_gives_its_line(root):
    with pytest.raises(ValueError, match="line 3, must be text in UTF-8"):
        opened(root, rows().replace("shelf/1.png,ant", "shelf/1.png,änt"), "latin-1")


def test_a_table_needs_a_folder(root):
    with pytest.raises(ValueError, match=re.escape('give "folder:PATH". Received: "elpv"')):
        open_data_set("elpv", labels=table(root, rows()))
    with pytest.raises(FileNotFoundError, match="no table of labels"):
        open_data_set(f"folder:{root}", labels=root / "none.csv")


def test_test_images_alone_are_enough_to_evaluate(root):
    data_set = opened(root, "file,class,split\nshelf/4.png,ant,test\n", to_train=False)

    assert (data_set.class_names, data_set.test.size) == (("ant",), 1)


def test_images_keep_their_own_spelling_where_case_is_ignored(root, monkeypatch):
    (root / "shelf" / "A.PNG").write_bytes(encoded(picture(5)))
    is_file, same_file = os.path.isfile, os.path.samefile

    def on_disk(path):
        folder, name = os.path.split(path)
        names = [each for each in os.listdir(folder) if each.lower() == name.lower()]
        return os.path.join(folder, *names) if os.path.isdir(folder) else path

    monkeypatch.setattr(os.path, "isfile", lambda path: is_file(on_disk(path)))
    monkeypatch.setattr(os.path, "samefile", lambda *two: same_file(*map(on_disk, two)))
    data_set = opened(root, rows() + "shelf/a.png,bee,test\r\n")

    assert ("shelf/A.PNG", "bee") in data_set.test.files_and_classes()
    assert "images without a label" not in [each.kind for each in data_set.left_out]
    with pytest.raises(ValueError, match=r"shelf/A\.PNG has two classes: bee .* and ant"):
        opened(root, rows() + "shelf/a.png,bee,test\r\nshelf/A.png,ant,test\r\n")
