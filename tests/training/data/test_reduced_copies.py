"""Reduced copies of large photographs change nothing but the time of reading them."""

import dataclasses
import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from large_photographs import CROPS, SIZES, photograph, write_large_photographs

from keras_cabvit.data.decoding.decode import decode_rgb
from training.augmentation.random_resized_crop import _random_box, smallest_part
from training.data.batches import Reader, training_batches
from training.data.broken import BrokenImages
from training.data.copied_split import CopiedSplit
from training.data.copy_plan import CopyPlan
from training.data.image_sizes import image_sizes
from training.data.opening import open_data_set
from training.data.reduced_copies import with_reduced_copies
from training.recipes.recipe import ModelOptions, Optimization, Recipe

RECIPE = Recipe(
    ModelOptions("CabViTH", image_size=(16, 16)), Optimization(1e-3), CROPS, batch_size=8
)
PLAN = CopyPlan.of(RECIPE)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder, which tests leave unchanged."""
    return write_large_photographs(tmp_path_factory.mktemp("photographs"))


def opened(folder):
    return open_data_set(f"folder:{folder}", validation_share=0.1).training


@pytest.fixture(scope="module")
def split(photographs):
    return opened(photographs)


@pytest.fixture(scope="module")
def copied(split, tmp_path_factory):
    """The split with copies, which tests leave unchanged; their folder is `copied.folder`."""
    folder = tmp_path_factory.mktemp("run") / "reduced"
    copied = with_reduced_copies(split, PLAN, folder)
    copied.folder = folder
    return copied


def batches(split, recipe=RECIPE, broken=None):
    reader = Reader(broken=broken)
    return list(training_batches(split, recipe, 0, reader=reader).take(6).as_numpy_iterator())


def assert_same_batches(found, wanted):
    for (images, labels), (other_images, other_labels) in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.slow
def test_batches_are_the_same_to_the_last_bit(split, copied):
    assert isinstance(copied, CopiedSplit)
    of_files, of_copies = BrokenImages(24), BrokenImages(24)
    assert_same_batches(batches(copied, broken=of_copies), batches(split, broken=of_files))
    assert of_copies.names == of_files.names == ["class_0/broken.jpg"]


def test_only_large_jpeg_files_have_a_copy(split, copied):
    names = copied._copies.numpy()
    for path, name in zip(split.files(), names, strict=True):
        large = path.endswith(".jpg") and not path.endswith("broken.jpg")
        large = large and int(Path(path).stem) % 4 != 3  # SIZES[3] is too small
        assert bool(name) == large, path
    assert len(times(copied.folder)) == sum(map(bool, names))


def test_copies_are_made_once(split, copied):
    before = times(copied.folder)
    lines = []
    with_reduced_copies(split, PLAN, copied.folder, tell=lines.append)

    assert times(copied.folder) == before
    assert len(lines) == 1
    assert lines[0].startswith(f"{len(before)} of {split.size} training images have a reduced copy")


def test_a_replaced_photograph_gets_another_copy(photographs, tmp_path):
    folder, copies = tmp_path / "photographs", tmp_path / "reduced"
    shutil.copytree(photographs, folder)
    split = opened(folder)
    with_reduced_copies(split, PLAN, copies)
    before = times(copies)
    replaced = next(path for path in split.files() if path.endswith("04.jpg") or "00" in path)
    Path(replaced).write_bytes(photograph(SIZES[0], seed=99))

    with_reduced_copies(split, PLAN, copies)

    assert len(times(copies)) == len(before)
    assert len(set(times(copies)) - set(before)) == 1


@pytest.mark.parametrize("damage", [lambda whole: whole[:-9], lambda whole: whole[:-9] + 9 * b"?"])
def test_a_damaged_copy_is_made_again(split, copied, tmp_path, damage):
    copies = shutil.copytree(copied.folder, tmp_path / "reduced")
    victim = min(copies.iterdir())
    whole = victim.read_bytes()
    victim.write_bytes(damage(whole))

    with_reduced_copies(split, PLAN, copies)

    assert victim.read_bytes() == whole


def test_a_full_disk_leaves_files_to_be_decoded(split, tmp_path, monkeypatch):
    write, written = Path.write_bytes, []

    def until_full(path, content):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", until_full)
    lines = []
    found = with_reduced_copies(split, PLAN, tmp_path / "reduced", tell=lines.append)

    assert sum(map(bool, found._copies.numpy())) == 1
    assert len(list((tmp_path / "reduced").iterdir())) == 1
    assert lines[0].startswith("No more reduced copies can be written: No space left on device. ")
    assert lines[0].endswith("Half of them are removed, to leave room for checkpoints.")
    assert lines[1].startswith(f"1 of {split.size} training images have a reduced copy")


def test_half_of_the_free_disk_is_left(split, tmp_path, monkeypatch):
    room = 30_000
    usage = shutil.disk_usage(tmp_path)._replace(free=2 * room)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    lines = []

    with_reduced_copies(split, PLAN, tmp_path / "reduced", tell=lines.append)

    assert lines[0] == "The disk has no room for more reduced copies."
    sizes = [path.stat().st_size for path in (tmp_path / "reduced").iterdir()]
    assert 0 < sum(sizes) <= room


@pytest.mark.parametrize(
    "recipe",
    [
        dataclasses.replace(RECIPE, model=ModelOptions("CabViTH", image_size=(96, 96))),
        dataclasses.replace(RECIPE, augmentation=dataclasses.replace(CROPS, crop_antialias=False)),
    ],
    ids=["large crops", "without antialiasing"],
)
def test_nothing_is_written_for_other_crops(split, tmp_path, recipe):
    plan = CopyPlan.of(recipe)

    assert plan.mean_bytes(image_sizes(split)) == 0
    assert with_reduced_copies(split, plan, tmp_path / "reduced") is split
    assert not (tmp_path / "reduced").exists()


def test_the_size_is_told_before(split, copied):
    sizes = image_sizes(split)
    written = sum(path.stat().st_size for path in copied.folder.iterdir())

    # The PNG file, counted by its size, has no copy; the broken one's header can be read.
    assert PLAN.mean_bytes(sizes) * split.size == pytest.approx(written, rel=0.25)


@pytest.mark.parametrize("shape", [(300, 400), (400, 300), (100, 900), (900, 100), (64, 64)])
@pytest.mark.parametrize("crop", [{}, {"crop_scale": (0.08, 0.1)}, {"crop_ratio": (1.5, 2.0)}])
def test_no_part_is_smaller_than_the_smallest(shape, crop):
    augmentation = dataclasses.replace(CROPS, **crop)
    least = smallest_part(tf.constant(shape), augmentation).numpy()

    drawn = [_random_box(tf.constant(shape), augmentation, (1, seed))[2:] for seed in range(40)]

    assert (np.array(drawn) >= least).all()


def test_evaluation_does_not_read_copies(copied):
    copy = min(copied.folder.iterdir()).read_bytes()
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a JPEG"):
        decode_rgb(tf.constant(copy))
