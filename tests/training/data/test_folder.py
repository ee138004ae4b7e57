import os
import re
import shutil
import unicodedata

import pytest
from image_files import CLASSES, encoded, picture, write_folder

from training.data.opening import check_outside, open_data_set


def opened(root, share=0.2, seed=0):
    return open_data_set(f"folder:{root}", share, seed)


def names(split):
    return [example["name"].decode() for example in split.in_order().as_numpy_iterator()]


def test_one_folder_is_divided_evenly_by_class(tmp_path):
    data_set = opened(write_folder(tmp_path / "my pictures ä", 30))

    assert data_set.name == "my pictures ä"
    assert data_set.class_names == CLASSES
    assert data_set.test is None
    training, validation = names(data_set.training), names(data_set.validation)
    assert len(training) == data_set.training.size == 24
    assert len(validation) == data_set.validation.size == 6
    assert sorted(training + validation) == sorted(
        f"{CLASSES[i % 3]}/{i:04}.png" for i in range(30)
    )
    for name in CLASSES:
        assert sum(file.startswith(name) for file in validation) == 2
    assert "6 validation images were drawn from the 30 images" in data_set.validation_note


def test_the_division_follows_its_seed(tmp_path):
    write_folder(tmp_path, 30)
    first, again, other = (names(opened(tmp_path, seed=seed).validation) for seed in (1, 1, 2))

    assert first == again
    assert first != other


@pytest.mark.parametrize("validation", ["val", "validation", "Valid", "dev"])
def test_train_val_and_test_are_taken_as_they_are(tmp_path, validation):
    write_folder(tmp_path / "train", 12)
    write_folder(tmp_path / validation, 6)
    write_folder(tmp_path / "test", 3)
    data_set = opened(tmp_path)

    assert len(names(data_set.training)) == 12
    assert names(data_set.validation) == [
        f"{validation}/{CLASSES[i % 3]}/{i:04}.png" for i in (0, 3, 1, 4, 2, 5)
    ]
    labels = [int(e["label"]) for e in data_set.validation.in_order().as_numpy_iterator()]
    assert labels == [0, 0, 1, 1, 2, 2]
    assert data_set.test.size == 3
    assert str(tmp_path / validation) in data_set.validation_note


def test_without_val_the_validation_images_come_from_train(tmp_path):
    write_folder(tmp_path / "train", 12)
    write_folder(tmp_path / "test", 3)
    data_set = opened(tmp_path, share=0.25)

    assert (data_set.training.size, data_set.validation.size, data_set.test.size) == (9, 3, 3)


def test_labels_of_val_are_those_of_train_though_a_class_is_missing(tmp_path):
    write_folder(tmp_path / "train", 6)
    write_folder(tmp_path / "val", 3)
    shutil.rmtree(tmp_path / "val" / "ant")
    data_set = opened(tmp_path)

    labels = [int(e["label"]) for e in data_set.validation.in_order().as_numpy_iterator()]
    assert labels == [1, 2]
    assert data_set.notes == (f"{tmp_path / 'val'} has no images of ant.",)


def test_classes_that_may_be_one_are_named(tmp_path):
    write_folder(tmp_path, 30)
    (tmp_path / "bee").rename(tmp_path / "Red apple")
    (tmp_path / "cat").rename(tmp_path / "red-apple")

    data_set = opened(tmp_path)

    assert data_set.class_names == ("Red apple", "ant", "red-apple")
    (note,) = data_set.notes
    assert note.startswith("Red apple, red-apple are different classes, though their names differ")


def test_every_kind_of_image_file_counts_and_others_are_named(tmp_path):
    for name in ("ant", "bee"):
        folder = tmp_path / name
        folder.mkdir()
        for suffix in ("jpg", "JPEG", "png", "WebP", "gif", "BMP"):
            (folder / f"a b.{suffix}").write_bytes(b"")
        (folder / ".hidden.jpg").write_bytes(b"")
        (folder / "note.txt").write_text("")
        (folder / "more.png").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "readme").write_text("")
    os.symlink(tmp_path / "ant", tmp_path / "link")
    data_set = opened(tmp_path)

    assert data_set.class_names == ("ant", "bee", "link")
    assert data_set.training.size + data_set.validation.size == 18
    note = data_set.left_out_note
    assert note == (
        f"Not read in {tmp_path}: folders inside class folders, with 0 images (ant/more.png, "
        "bee/more.png, link/more.png); other files (readme, ant/note.txt, bee/note.txt and 1 "
        "more); hidden files (.cache, ant/.hidden.jpg, bee/.hidden.jpg and 1 more)."
    )


def test_a_class_may_be_called_train_inside_train(tmp_path):
    write_folder(tmp_path / "train", 9)
    (tmp_path / "train" / "bee").rename(tmp_path / "train" / "train")

    assert opened(tmp_path).class_names == ("ant", "cat", "train")


def test_images_per_class_are_counted_in_every_split(tmp_path):
    write_folder(tmp_path / "Training", 12)
    write_folder(tmp_path / "TEST", 4)
    data_set = opened(tmp_path, share=0.25)

    assert data_set.class_counts() == {
        "training": (3, 3, 3),
        "validation": (1, 1, 1),
        "test": (2, 1, 1),
    }


def test_accented_class_is_the_same_in_both_unicode_forms(tmp_path):
    for part, form in (("train", "NFC"), ("val", "NFD")):
        write_folder(tmp_path / part, 6)
        (tmp_path / part / "ant").rename(tmp_path / part / unicodedata.normalize(form, "Café"))
    data_set = opened(tmp_path)

    assert data_set.class_names == ("Café", "bee", "cat")
    assert data_set.class_counts()["validation"] == (2, 2, 2)
    (example, *_) = data_set.validation.in_order()
    assert data_set.validation.image(example).numpy().startswith(b"\x89PNG")


def test_folder_to_score_may_have_one_class_and_only_test_images(tmp_path):
    write_folder(tmp_path / "test", 4)
    shutil.rmtree(tmp_path / "test" / "ant")
    shutil.rmtree(tmp_path / "test" / "bee")
    data_set = open_data_set(f"folder:{tmp_path}", to_train=False)

    assert data_set.class_names == ("cat",)
    assert (data_set.training.size, data_set.validation.size, data_set.test.size) == (0, 0, 1)


def test_folder_to_score_may_have_an_empty_folder_train(tmp_path):
    write_folder(tmp_path / "test", 4)
    (tmp_path / "train" / "cat").mkdir(parents=True)
    data_set = open_data_set(f"folder:{tmp_path}", to_train=False)

    splits = (data_set.training, data_set.validation, data_set.test)
    assert [each.size for each in splits] == [0, 0, 4]
    assert {each.class_names for each in splits} == {("ant", "bee", "cat")}


@pytest.mark.parametrize("out", ["", "run", "ant/run", "../link/run", "../bees/run", ".."])
def test_output_inside_or_around_the_data_is_refused(tmp_path, out):
    root = write_folder(tmp_path / "images", 3)
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "bees").symlink_to(root / "bee")

    with pytest.raises(ValueError, match="--out must"):
        check_outside(f"folder:{root}", root / out)


def test_output_beside_the_data_is_allowed(tmp_path):
    root = write_folder(tmp_path / "images", 3)

    check_outside(f"folder:{root}", tmp_path / "images2")
    check_outside(f"folder:{root / 'ant'}", root / "run")
    check_outside("fashion_mnist", root / "run")


def test_advice_on_the_output_can_be_followed(tmp_path):
    root = write_folder(tmp_path / "images", 3)

    for out in (root / "run", tmp_path):
        with pytest.raises(ValueError, match="--out must") as refused:
            check_outside(f"folder:{root}", out)
        check_outside(f"folder:{root}", re.search(r"Choose (.*), for", str(refused.value))[1])


def test_images_are_read_from_any_directory(tmp_path, monkeypatch):
    write_folder(tmp_path / "pictures", 6)
    monkeypatch.chdir(tmp_path)
    split = opened("pictures").training
    monkeypatch.chdir("/")

    (example, *_) = split.in_order()
    assert split.image(example).numpy().startswith(b"\x89PNG")


def no_folder(root):
    shutil.rmtree(root)


def a_file(root):
    shutil.rmtree(root)
    root.write_text("")


def no_classes(root):
    for name in CLASSES:
        shutil.rmtree(root / name)
    (root / "a.png").write_bytes(encoded(picture(0)))


def an_empty_class(root):
    (root / "bear").mkdir()


def one_class(root):
    shutil.rmtree(root / "ant")
    shutil.rmtree(root / "bee")


def another_class_in_val(root):
    write_folder(root / "train", 6)
    write_folder(root / "val", 6)
    (root / "val" / "ant").rename(root / "val" / "bear")


def a_class_in_another_spelling_in_val(root):
    write_folder(root / "train", 6)
    write_folder(root / "val", 6)
    (root / "val" / "ant").rename(root / "val" / "An-t")


def only_tiff_files_in_a_class(root):
    (root / "bear").mkdir()
    (root / "bear" / "1.tif").write_bytes(b"")


def a_val_without_images(root):
    write_folder(root / "train", 6)
    (root / "val" / "ant").mkdir(parents=True)


def a_name_of_two_lines(root):
    (root / "ant").rename(root / "an\u2028t")  # where reading labels.txt would split lines


def val_without_train(root):
    write_folder(root / "val", 6)


def two_validations(root):
    for name in ("train", "val", "validation"):
        write_folder(root / name, 6)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (no_folder, FileNotFoundError, "There is no folder ROOT."),
        (a_file, ValueError, "ROOT must be a folder. It is a file."),
        (no_classes, ValueError, "ROOT must have a folder of images for every class."),
        (an_empty_class, ValueError, "ROOT/bear must contain images (.jpg"),
        (no_classes, ValueError, "in a table: --data.labels FILE.csv"),
        (one_class, ValueError, "ROOT must have a folder for each of at least two classes. It has"),
        (one_class, ValueError, "in a table: --data.labels FILE.csv"),
        (another_class_in_val, ValueError, "ROOT/val must not have classes that ROOT/train lacks"),
        (
            a_class_in_another_spelling_in_val,
            ValueError,
            "lacks. It has An-t. Is An-t the class ant?",
        ),
        (only_tiff_files_in_a_class, ValueError, "It has none, only other files (1.tif)"),
        (only_tiff_files_in_a_class, ValueError, "cabvit convert-images ROOT ROOT-jpeg"),
        (a_val_without_images, ValueError, "ROOT/val must have a folder of images for every class"),
        (a_name_of_two_lines, ValueError, "must have names of one line"),
        (val_without_train, ValueError, "ROOT must have train/ beside val"),
        (two_validations, ValueError, "ROOT must have either val/ or validation/."),
    ],
)
def test_unusable_folder_gives_a_clear_error(tmp_path, change, error, sentence):
    root = write_folder(tmp_path / "pictures", 6)
    change(root)

    with pytest.raises(error, match=re.escape(sentence.replace("ROOT", str(root)))):
        opened(root)


def test_unreadable_folder_gives_a_clear_error(tmp_path, monkeypatch):
    root = write_folder(tmp_path, 6)

    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "scandir", refuse)  # the superuser may list everything
    with pytest.raises(ValueError, match="must be readable"):
        opened(root)


def test_too_few_images_for_validation_give_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match="two images or more"):
        opened(write_folder(tmp_path, 3))
