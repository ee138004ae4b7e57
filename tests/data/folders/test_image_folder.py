"""The one reader of image folders: layouts that it understands, refuses, and leaves out."""

import os
import random
import re
import unicodedata

import numpy as np
import pytest

from keras_cabvit.commands.text_table import one_line
from keras_cabvit.data.folders.folder_entries import is_image
from keras_cabvit.data.folders.image_folder import (
    images_of_folder,
    left_out_sentences,
    read_image_folder,
)

TWO = ("cat", "dog")


def write(root, *paths):
    """Writes empty files, or folders where a path ends with a slash, and returns `root`."""
    root.mkdir(parents=True, exist_ok=True)
    for path in paths:
        file = root / path
        if path.endswith("/"):
            file.mkdir(parents=True, exist_ok=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
    return root


def classes(folder="", count=2):
    """Returns the paths of images of two classes in a folder."""
    return [f"{folder}{name}/{i}.jpg" for name in TWO for i in range(count)]


def left_out(found):
    """Returns a dict from the kinds of what was left out to the names."""
    return {left.kind: list(left.names) for left in found.left_out}


@pytest.mark.parametrize(
    "suffix", ["jpg", "JPEG", "jpe", "jfif", "JFIF", "png", "webp", "GIF", "bmp"]
)
def test_suffix_counts_in_any_case(tmp_path, suffix):
    found = read_image_folder(write(tmp_path, f"cat/1.{suffix}"))

    assert found.parts["all"].files == (f"cat/1.{suffix}",)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *((name, "train") for name in ("train", "Train", "TRAINING", "training")),
        *((name, "val") for name in ("val", "valid", "Validation", "dev", "VALID")),
        *((name, "test") for name in ("test", "testing", "eval", "Test", "evaluation")),
    ],
)
def test_split_is_understood_in_its_usual_spellings(tmp_path, name, split):
    found = read_image_folder(write(tmp_path, *classes(f"{name}/")))

    assert list(found.parts) == [split]
    assert found.parts[split].classes == TWO
    assert found.parts[split].files == tuple(classes(f"{name}/"))
    assert found.parts[split].labels == (0, 0, 1, 1)


def test_roboflow_layout_has_three_splits(tmp_path):
    paths = [path for part in ("train/", "valid/", "test/") for path in classes(part)]
    found = read_image_folder(write(tmp_path, *paths, "README.roboflow.txt"))

    assert list(found.parts) == ["test", "train", "val"]
    assert left_out(found) == {"other files": ["README.roboflow.txt"]}


def test_every_kind_of_entry_that_is_not_read_is_named_with_a_reason(tmp_path):
    write(
        tmp_path, *classes(), "cat/._0.jpg", "cat/Thumbs.db", "dog/.DS_Store", "__MACOSX/cat/1.jpg"
    )
    write(tmp_path, "cat/9.TIF", "cat/8.heic", "dog/7.HEIC", "notes.csv", "cat/more/1.jpg", "9.png")
    write(tmp_path, "empty/", "papers/1.pdf")
    (tmp_path / "dog" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "cat" / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "again").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "dog" / "pipe.png")
    found = read_image_folder(tmp_path)

    assert found.parts["all"].files == tuple(classes())
    assert left_out(found) == {
        ".heic files": ["cat/8.heic", "dog/7.HEIC"],
        ".tif files": ["cat/9.TIF"],
        "images outside class folders": ["9.png"],
        "folders inside class folders": ["cat/more"],
        "folders without images": ["empty", "papers"],
        "unusable links and devices": ["again", "cat/loop.jpg", "dog/gone.jpg", "dog/pipe.png"],
        "other files": ["notes.csv"],
        "hidden files": ["__MACOSX", "cat/._0.jpg", "cat/Thumbs.db", "dog/.DS_Store"],
    }
    assert all(left.reason for left in found.left_out)


def test_images_in_folders_inside_class_folders_are_counted(tmp_path):
    write(tmp_path, *classes(), "cat/more/2.jpg", "cat/more/old/3.png", "cat/more/old/a.txt")
    write(tmp_path, "dog/none/", "dog/more/4.JPG")
    found = read_image_folder(tmp_path)

    (sentence,) = left_out_sentences(found)
    names = "cat/more, dog/more, dog/none"
    assert f"folders inside class folders, with 3 images ({names})" in sentence


def test_links_to_classes_and_images_are_followed(tmp_path):
    write(tmp_path, *classes("elsewhere/"), "images/cat/0.jpg", "images/owl/0.jpg")
    (tmp_path / "images" / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    (tmp_path / "images" / "owl" / "1.jpg").symlink_to(tmp_path / "elsewhere" / "cat" / "1.jpg")
    found = read_image_folder(tmp_path / "images")

    expected = ("cat/0.jpg", "dog/0.jpg", "dog/1.jpg", "owl/0.jpg", "owl/1.jpg")
    assert found.parts["all"].files == expected
    assert found.left_out == ()


def test_what_lies_beside_splits_is_named(tmp_path):
    write(
        tmp_path,
        *classes("train/"),
        "cat/1.jpg",
        "val/",
        "1.png",
        "run1/run.json",
        "runs/a/run.json",
    )
    found = read_image_folder(tmp_path)

    assert list(found.parts) == ["train"]
    assert left_out(found) == {
        "images outside class folders": ["1.png"],
        "folders without images": ["val"],
        "folders beside the splits": ["cat"],
        "runs and exports": ["run1", "runs"],
    }


def test_classes_are_sorted_and_in_one_unicode_form(tmp_path):
    names = ["Café", "zebra", "Österreich", "ant"]
    write(tmp_path, *(f"{unicodedata.normalize('NFD', name)}/1.png" for name in names))
    part = read_image_folder(tmp_path).parts["all"]

    assert part.classes == tuple(sorted(names))
    assert all((tmp_path / file).is_file() for file in part.files)


# Each layout, and what the message must name.
REFUSED = {
    "kaggle": (
        ["train/cat.0.jpg", "train/cat.1.jpg", "train/dog.0.jpg", "test1/1.jpg"],
        "ROOT/test1 and ROOT/train are named like splits but have images and no folders of classes."
        " Put the images of each class into a folder of its own: ROOT/train/cat/cat.0.jpg",
    ),
    "a test folder of loose files": (
        [*classes("train/"), "test/1.jpg"],
        "ROOT/test is named like a split but has images and no folders of classes. Put the images "
        "of each class into a folder of its own: ROOT/test/CLASS/1.jpg, for example. If 'test' is "
        "the name of a class, put all class folders into one folder: ROOT/train/test. To read only "
        "the images in ROOT/train, give folder:ROOT/train.",
    ),
    "test files beside classes": ([*classes(), "test/1.jpg"], "ROOT/test is named like a split"),
    "images of trains": (
        [*classes(), "train/1.jpg"],
        "put all class folders into one folder: ROOT/",
    ),
    "train_images": (["train_images/1.jpg", "test_images/1.jpg"], "named like splits but have"),
    "horse2zebra": (["trainA/1.jpg", "trainB/1.jpg", "testA/1.jpg"], "ROOT/testA and ROOT/trainA"),
    "training_set": (
        [*classes("training_set/"), *classes("test_set/")],
        "Rename test_set/ to test/, training_set/ to train/",
    ),
    "seg_train": (
        [*classes("seg_train/"), *classes("seg_test/")],
        "Rename seg_test/ to test/, seg_train/ to train/",
    ),
    "two validations": (
        [*classes("train/"), *classes("val/"), *classes("valid/")],
        "ROOT must have either val/ or valid/. They are spellings",
    ),
    "two cases": ([*classes("train/"), *classes("Train/")], "either Train/ or train/."),
    "one folder around everything": (classes("dataset/"), "give folder:ROOT/dataset;"),
    "two folders around everything": (
        [*classes("a/b/train/"), *classes("a/b/val/"), "a/readme.md"],
        "give folder:ROOT/a/b;",
    ),
    "images beside labels": (
        [*classes("images/train/"), *classes("images/val/"), "labels/train/1.txt", "data.yaml"],
        "give folder:ROOT/images;",
    ),
    "one folder around train": (classes("dataset/train/"), "give folder:ROOT/dataset;"),
    "classes of classes": (
        [*classes("pets/"), *classes("wild/")],
        "ROOT/pets has no images, only folders of them: cat, dog. The folders of classes, or of "
        "splits, must lie directly in the folder that is given, and images directly in the folders "
        "of classes: give folder:ROOT/pets or folder:ROOT/wild;",
    ),
    "train inside train": (
        [*classes("train/train/"), *classes("test/test/")],
        "The folders of classes must lie directly in ROOT/test: move them there from",
    ),
    "splits inside classes": (
        ["cat/train/1.jpg", "cat/test/1.jpg", "dog/train/1.jpg"],
        "classes must be inside splits: ROOT/test/cat, not ROOT/cat/test.",
    ),
    "run": ([*classes(), "run1/run.json", "run1/curves.png"], "ROOT/run1 was written by a run or"),
    "runs": ([*classes(), "runs/run1/run.json", "runs/run1/a.png"], "(it has runs/run1/run.json)"),
    "a run in train": (
        [*classes("train/"), "train/x/model.keras", "train/x/curves.png"],
        "ROOT/train/x was written by",
    ),
    "evaluation": ([*classes(), "scores/report.md", "scores/mistakes.png"], "scores/report.md"),
    "labels": (
        [*classes(), "x/report.md", "x/labels_to_check.png", "x/labels_to_check.csv"],
        "x/labels_to_check.csv",
    ),
    "figures": ([*classes(), "x/curves.png", "x/labels_to_check.png"], "(it has x/curves.png)"),
    "a batch": ([*classes(), "lite/model.tflite", "lite/batch.png"], "(it has lite/model.tflite)"),
    "one name twice": (["Caf\u00e9/1.jpg", "Cafe\u0301/1.jpg"], "have the name 'Café'"),
    "a turned name": (["a\u202eb/1.jpg"], "names of one line of printable characters"),
    "a name of two lines": (["a\u2028b/1.jpg"], "names of one line of printable characters"),
    "a blank name": ([" /1.jpg"], "names of one line of printable characters"),
}


@pytest.mark.parametrize("layout", REFUSED)
def test_layout_is_refused_with_the_right_one(tmp_path, layout):
    paths, sentence = REFUSED[layout]
    root = write(tmp_path / "photos", *paths)

    with pytest.raises(ValueError, match=re.escape(sentence.replace("ROOT", str(root)))):
        read_image_folder(root, prefix="folder:")


@pytest.mark.parametrize("layout", [name for name in REFUSED if "give " in REFUSED[name][1]])
def test_recommended_path_is_one_that_can_be_read(tmp_path, layout):
    root = write(tmp_path / "photos", *REFUSED[layout][0])
    with pytest.raises(ValueError, match="give folder:") as refused:
        read_image_folder(root, prefix="folder:")
    path = re.search(r"give folder:(\S+?)[;.]?(?: |$)", str(refused.value))[1]

    assert any(part.files for part in read_image_folder(path).parts.values())


def test_joiners_and_every_space_belong_to_names(tmp_path):
    # Persian, a firefighter, a Japanese space and one that macOS types with Option.
    names = ("\u067e\u06cc\u0631\u0627\u0647\u0646\u200c\u0647\u0627", "\U0001f469\u200d\U0001f692")
    names += ("\u8d64\u3000\u82b1", "red\u00a0hat")
    root = write(tmp_path, *(f"{name}/1.jpg" for name in names))

    assert set(read_image_folder(root).parts["all"].classes) == set(names)
    assert one_line("".join(names)) == "".join(names)


def test_steam_trains_are_a_class(tmp_path):
    paths = ["steam_train/1.jpg", "diesel-train/1.jpg", "crash/1.jpg"]

    assert len(read_image_folder(write(tmp_path, *paths)).parts["all"].classes) == 3


def test_runs_and_exports_without_images_are_left_out(tmp_path):
    write(tmp_path, *classes(), "killed/checkpoints/1/a.npz", "mobile/1/saved_model.pb")
    write(tmp_path, "lite/model.tflite", "memory/model.weights.h5")
    part = read_image_folder(tmp_path)

    assert part.parts["all"].imageless == ()
    assert left_out(part) == {"runs and exports": ["killed", "lite", "memory", "mobile"]}


def test_class_folder_with_a_stray_export_is_a_class(tmp_path):
    found = read_image_folder(write(tmp_path, *classes(), "cat/model.tflite", "dog/scores.json"))

    assert found.parts["all"].classes == TWO
    assert left_out(found) == {"other files": ["cat/model.tflite", "dog/scores.json"]}


def test_missing_folder_and_file_give_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*none"):
        read_image_folder(tmp_path / "none")
    with pytest.raises(ValueError, match=r"must be a folder\. It is a file"):
        read_image_folder(write(tmp_path, "1.jpg") / "1.jpg")


def test_images_to_check_a_model_come_from_the_first_split_there_is(tmp_path):
    write(tmp_path, *classes("train/"), *classes("valid/", count=1), "valid/cat/1.heic")
    found = images_of_folder(tmp_path, ("test", "val", "train"))

    assert found.files == [tmp_path / "valid" / name / "0.jpg" for name in TWO]
    np.testing.assert_array_equal(found.labels, [0, 1])
    assert found.classes == TWO
    assert found.notes == (
        f"The images are those in {tmp_path / 'valid'}.",
        f"Not read in {tmp_path}: .heic files (valid/cat/1.heic).",
        "1 photograph is in a format that is not read. This command writes a folder with JPEG "
        f"copies: cabvit convert-images {tmp_path} {tmp_path}-jpeg",
    )


def test_images_without_class_folders_have_no_labels(tmp_path):
    found = images_of_folder(write(tmp_path, "2.jpg", "1.png", "._1.png"), ("test",))

    assert found.files == [tmp_path / "1.png", tmp_path / "2.jpg"]
    assert found.labels is None


def test_folder_without_images_gives_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match=r"There are no images in .*\.heic files"):
        images_of_folder(write(tmp_path, "cat/1.txt", "1.heic"), ("test",))
    with pytest.raises(FileNotFoundError, match="There is no folder of images at"):
        images_of_folder(tmp_path / "none", ("test",))


NAMES = [
    *("train", "Training", "val", "valid", "dev", "test", "TEST", "eval", "test1", "train_set"),
    *("cat", "dog", "owl", "Caf\u00e9", "Cafe\u0301", "images", "dataset", "runs", "1", ".git"),
    *("__MACOSX", "checkpoints", "a b", "seg_train", "x.png"),
]
FILES = [
    *("0.jpg", "1.JPEG", "2.png", "cat.0.jpg", "3.jfif", "a.gif", "curves.png", "._0.jpg"),
    *(".DS_Store", "Thumbs.db", "9.tif", "8.heic", "note.txt", "run.json", "model.tflite"),
]


def random_tree(root, rng):
    """Writes a folder of a layout with some random entries, links among them."""
    starts = [(), classes(), classes("train/"), classes("data/"), ["0.jpg"]]
    write(root, *rng.choice(starts))
    for _ in range(rng.randrange(10)):
        folders = rng.choices(NAMES, k=rng.choice([0, 1, 1, 2, 2, 3]))
        path = root.joinpath(*folders)
        if any(parent.exists() and not parent.is_dir() for parent in (path, *path.parents)):
            continue
        path.mkdir(parents=True, exist_ok=True)
        link = rng.random() < 0.1
        entry = path / rng.choice([*FILES, *["link"] * len(FILES)] if link else FILES)
        if os.path.lexists(entry):
            continue
        if link:
            target = rng.choice([root, path, root / "cat", root / "gone", root.parent / "outside"])
            entry.symlink_to(target)
        else:
            entry.write_bytes(b"")


def test_each_image_of_a_random_folder_is_read_once_or_named(tmp_path):
    write(tmp_path / "outside", *classes())
    refusals, read_folders = [], 0
    for seed in range(400):
        root = tmp_path / str(seed)
        random_tree(root, random.Random(seed))
        try:
            found = read_image_folder(root, unlabelled=seed % 2 == 0)
        except ValueError as error:
            refusals.append((str(root), str(error)))
            continue
        read_folders += 1
        read = [file for part in found.parts.values() for file in part.files]
        named = {name for left in found.left_out for name in left.names}
        assert len(read) == len(set(read)), seed
        assert not named & set(read), seed
        for part in found.parts.values():
            assert len(part.labels) == (len(part.files) if part.classes else 0), seed
            for file, label in zip(part.files, part.labels, strict=False):
                name = unicodedata.normalize("NFC", (root / file).parent.name)
                assert part.classes[label] == name, seed
        for folder, _, files in os.walk(root):
            for file in filter(is_image, files):
                path = os.path.relpath(os.path.join(folder, file), root)
                above = {path, *_parents(path)}
                assert (path in read) != bool(above & named), (seed, path)
    assert min(read_folders, len(refusals)) > 100
    assert all(root in sentence and sentence.endswith(".") for root, sentence in refusals)


def _parents(path):
    while path := os.path.dirname(path):
        yield path


def test_split_with_a_stray_file_is_a_split(tmp_path):
    for split in ("train", "val", "test"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "1.jpg").touch()
    for stray in ("test/scores.json", "val/metrics.csv", "train/model.h5"):
        (tmp_path / stray).touch()

    assert read_image_folder(tmp_path).parts.keys() == {"train", "val", "test"}


def test_report_with_another_report_in_it_is_no_split(tmp_path):
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "1.jpg").touch()
    for report in ("evaluation", "evaluation/other"):
        (tmp_path / report).mkdir()
        for name in ("report.md", "confusion.png", "calibration.png"):
            (tmp_path / report / name).touch()

    assert read_image_folder(tmp_path).parts.keys() == {"train", "val"}
