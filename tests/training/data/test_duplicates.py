import shutil

import numpy as np
import pytest
from PIL import Image, ImageFilter

from training.data import duplicates, image_hashes
from training.data.duplicates import MOST_BITS, Alike, alike_images, find_duplicates
from training.data.image_hashes import content_numbers, perceptual_hashes
from training.data.opening import open_data_set
from training.report.data_overview import data_overview
from training.report.duplicates import duplicates as section
from training.report.duplicates import duplicates_as_csv


def scene(seed, height=240, width=320):
    """Returns a picture of soft shapes, different for every seed."""
    rng = np.random.default_rng(seed)
    noise = Image.fromarray(rng.integers(0, 256, (15, 20, 3), dtype=np.uint8))
    return noise.resize((width, height), Image.Resampling.BICUBIC)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def turned(image, path):
    """Saves an image stored on its side, with the orientation that turns it back."""
    exif = Image.Exif()
    exif[0x0112] = 6
    save(image.transpose(Image.Transpose.ROTATE_90), path, exif=exif)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Twenty pictures; one twice, one saved anew, smaller, brighter, moved, turned; flat ones."""
    root = tmp_path_factory.mktemp("photographs")
    for number in range(20):
        save(scene(number), root / f"{number}.jpg", quality=90)
    shutil.copy(root / "0.jpg", root / "copy.jpg")
    save(scene(1), root / "anew.jpg", quality=30)
    save(scene(1).resize((160, 120)), root / "smaller.png")
    save(scene(1).point(lambda value: min(255, value + 25)), root / "brighter.webp")
    save(scene(1).crop((4, 3, 320, 240)), root / "moved.jpg")
    save(scene(1).filter(ImageFilter.GaussianBlur(2)), root / "blurred.jpg")
    turned(scene(1), root / "turned.jpg")
    for level in (10, 200):
        save(Image.new("RGB", (64, 64), (level,) * 3), root / f"flat_{level}.png")
    (root / "broken.jpg").write_bytes(b"broken")
    return root


def groups_in(alike):
    """Returns the sets of files in one group."""
    groups = {}
    for file, group in alike.groups.items():
        groups.setdefault(group, set()).add(file)
    return sorted((group for group in groups.values() if len(group) > 1), key=len)


def test_copies_and_changed_copies_are_grouped_and_nothing_else(photographs):
    alike = alike_images(photographs, sorted(path.name for path in photographs.iterdir()))

    assert groups_in(alike) == [
        {"0.jpg", "copy.jpg"},
        {
            *("1.jpg", "anew.jpg", "smaller.png", "brighter.webp"),
            *("moved.jpg", "blurred.jpg", "turned.jpg"),
        },
    ]
    assert alike.contents["0.jpg"] == alike.contents["copy.jpg"]
    assert alike.contents["1.jpg"] != alike.contents["anew.jpg"]


def test_blocks_of_comparisons_give_the_groups_of_one(photographs, monkeypatch):
    files = sorted(path.name for path in photographs.iterdir())
    expected = alike_images(photographs, files)
    monkeypatch.setattr(duplicates, "_ROWS", 3)

    assert groups_in(alike_images(photographs, files)) == groups_in(expected)


def test_of_too_many_images_only_copies_are_found(photographs, monkeypatch):
    monkeypatch.setattr(duplicates, "MOST_IMAGES", 10)
    alike = alike_images(photographs, sorted(path.name for path in photographs.iterdir()))

    assert groups_in(alike) == [{"0.jpg", "copy.jpg"}]
    assert "not looked for among 30 images" in alike.note


def test_empty_files_are_not_copies(tmp_path):
    for name in "ab":
        (tmp_path / name).touch()

    assert content_numbers(tmp_path, ["a", "b", "missing"]).tolist() == [0, 1, 2]


def test_stored_hashes_spare_reading_unchanged_files(photographs, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_CABVIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(image_hashes, "_FEWEST_STORED", 1)
    monkeypatch.setattr(image_hashes, "_SECONDS_BETWEEN_REPORTS", 0)
    root = shutil.copytree(photographs, tmp_path / "photographs")
    files = sorted(path.name for path in root.iterdir())
    expected = perceptual_hashes(root, files)
    assert "images after 0 s." in capsys.readouterr().out

    read = []
    original = image_hashes._hash

    def recorded(path):
        read.append(path.name)
        return original(path)

    monkeypatch.setattr(image_hashes, "_hash", recorded)
    for actual, array in zip(perceptual_hashes(root, files), expected, strict=True):
        np.testing.assert_array_equal(actual, array)
    assert read == []
    save(scene(99), root / "0.jpg")
    changed, _ = perceptual_hashes(root, files)
    assert read == ["0.jpg"]
    assert (changed[files.index("0.jpg")] != expected[0][files.index("0.jpg")]).any()


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    """A folder with copies across splits and classes, and a burst in one class."""
    root = tmp_path_factory.mktemp("leaky")
    for number in range(12):
        save(scene(number), root / "train" / "ab"[number % 2] / f"{number:02}.jpg")
    for split, numbers in (("val", range(20, 24)), ("test", range(30, 34))):
        for number in numbers:
            save(scene(number), root / split / "ab"[number % 2] / f"{number}.jpg")
    shutil.copy(root / "train" / "a" / "00.jpg", root / "test" / "a" / "40.jpg")
    save(scene(2).resize((200, 150)), root / "test" / "a" / "41.jpg")
    save(scene(3), root / "val" / "a" / "42.jpg", quality=60)
    save(scene(5), root / "train" / "b" / "50.jpg", quality=60)
    return root


def test_duplicates_across_splits_and_classes_are_warned_of_before_training(leaky):
    data_set = open_data_set(f"folder:{leaky}", group_duplicates=True)
    overview = data_overview(data_set)

    assert (
        "2 test images are near duplicates of training images (1 identical): "
        "test/a/40.jpg and train/a/00.jpg; test/a/41.jpg and train/a/02.jpg."
    ) in overview
    assert (
        "1 validation image is a near duplicate of training images: val/a/42.jpg and "
        "train/b/03.jpg."
    ) in overview
    assert (
        "1 group of near duplicates has more than one class: train/b/03.jpg and val/a/42.jpg."
    ) in overview
    # The burst inside the training images does no harm.
    assert "50.jpg" not in overview
    assert len(data_set.duplicates.groups) == 4


def test_image_with_duplicates_in_both_other_splits_is_named_beside_its_copy():
    contents = {"near.jpg": 0, "copy.jpg": 1, "drawn.jpg": 2, "scored.jpg": 1}
    alike = Alike(dict.fromkeys(contents, 0), contents)
    splits = {"training": ["near.jpg", "copy.jpg"], "validation": ["drawn.jpg"]}
    splits["test"] = ["scored.jpg"]
    found = find_duplicates(
        alike, {split: [(file, "a") for file in files] for split, files in splits.items()}
    )

    assert found.sentences() == (
        "1 test image is a near duplicate of training images (1 identical): scored.jpg and "
        "copy.jpg.",
        "1 validation image is a near duplicate of training images: drawn.jpg and near.jpg.",
        "1 test image is a near duplicate of validation images: scored.jpg and drawn.jpg.",
    )


def test_report_lists_the_groups_and_the_file_has_all(leaky):
    found = open_data_set(f"folder:{leaky}", group_duplicates=True).duplicates
    text, rows = section(found), duplicates_as_csv(found).splitlines()

    assert "8 images are in 4 groups" in text
    assert "test/a/41.jpg" in text
    assert "50.jpg" not in text
    assert rows[0] == "group,image,split,class,content"
    assert rows[1:3] == ["1,train/a/00.jpg,training,a,1", "1,test/a/40.jpg,test,a,1"]
    assert rows[-1] == "4,train/b/50.jpg,training,b,2"


def test_clean_data_is_not_mentioned(tmp_path):
    for number in range(8):
        save(scene(number), tmp_path / "ab"[number % 2] / f"{number}.jpg")
    data_set = open_data_set(f"folder:{tmp_path}", 0.25, group_duplicates=True)

    assert data_set.duplicates.groups == ()
    assert section(data_set.duplicates) == ""
    assert "duplicate" not in data_overview(data_set)


def test_burst_stays_together_in_the_drawn_validation_images(tmp_path):
    for number in range(24):
        # Bursts of three: the camera moves by two pixels from one picture to the next.
        image = scene(number // 3).crop((2 * (number % 3), 0, 310 + 2 * (number % 3), 240))
        save(image, tmp_path / "ab"[number // 12] / f"{number:02}.jpg")

    for seed in range(4):
        data_set = open_data_set(f"folder:{tmp_path}", 0.25, seed, group_duplicates=True)
        held = [name for name, _ in data_set.validation.files_and_classes()]
        bursts = [int(name[2:4]) // 3 for name in held]
        assert len(held) == 6
        assert {bursts.count(burst) for burst in bursts} == {3}
        assert data_set.duplicates.across_splits == ()
        assert "stayed together" in data_set.validation_note


def test_duplicates_are_looked_for_only_when_asked(leaky):
    data_set = open_data_set(f"folder:{leaky}")

    assert data_set.duplicates == duplicates.Duplicates()


def test_images_of_16_bits_are_compared_by_the_bits_that_are_trained_on(tmp_path):
    rows, columns = np.mgrid[-1:1:64j, -1:1:64j]
    inside = rows**2 + columns**2 < 0.8  # a bright disc in a dark field
    for number in range(4):
        coarse = np.random.default_rng(number).integers(2**12, 2**16, (8, 8))
        pixels = np.where(inside, coarse.repeat(8, axis=0).repeat(8, axis=1), 0).astype("uint16")
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    hashes, known = perceptual_hashes(tmp_path, [f"{number}.png" for number in range(4)])

    assert known.all()
    bits = np.unpackbits(hashes, axis=1)
    differences = [(bits[one] != bits[other]).sum() for one in range(4) for other in range(one)]
    assert min(differences) > MOST_BITS
