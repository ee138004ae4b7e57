import dataclasses
import re

import numpy as np
import pytest
from image_files import CLASSES, HEIGHT, WIDTH, numbers, write_folder

from training.data.batches import Reader, evaluation_batches, training_batches
from training.data.broken import BrokenImages, TooManyBrokenImages
from training.data.folder_split import FolderSplit
from training.recipes.recipe import Augmentation, ModelOptions, Optimization, Recipe

pytestmark = pytest.mark.usefixtures("png_files")

COUNT = 20
RECIPE = Recipe(
    ModelOptions("CabViTH", image_size=(HEIGHT, WIDTH)), Optimization(1e-3), batch_size=4
)


@pytest.fixture
def split(tmp_path):
    """Twenty pictures, four of which cannot be read, each for a different reason."""
    write_folder(tmp_path, COUNT)
    files = [f"{CLASSES[i % 3]}/{i:04}.png" for i in range(COUNT)]
    (tmp_path / files[2]).write_bytes((tmp_path / files[2]).read_bytes()[:-20])
    (tmp_path / files[3]).write_bytes(b"rubbish" * 100)
    (tmp_path / files[11]).write_bytes(b"")
    (tmp_path / files[19]).unlink()
    return FolderSplit(tmp_path, files, np.arange(COUNT) % 3, CLASSES)


BROKEN = [2, 3, 11, 19]
BROKEN_NAMES = ["ant/0003.png", "bee/0019.png", "cat/0002.png", "cat/0011.png"]


def test_training_skips_broken_images_and_records_them(split):
    broken = BrokenImages(COUNT)
    batches = training_batches(split, RECIPE, seed=0, reader=Reader(broken=broken))

    for images, labels in batches.take(10).as_numpy_iterator():
        seen = numbers(images)
        assert not set(seen) & set(BROKEN)
        assert labels.argmax(-1).tolist() == [number % 3 for number in seen]
        np.testing.assert_array_equal(labels.sum(-1), 1)
    assert broken.names == BROKEN_NAMES


def test_broken_image_is_replaced_by_the_next_good_one_of_the_batch(split):
    def order(seed):
        examples = split.examples(seed, 0, 0).as_numpy_iterator()
        return [int(example["name"][4:8]) for example in examples]

    # The last image is broken, so that the search for its replacement wraps to the beginning.
    seed = next(seed for seed in range(99) if order(seed)[-1] in BROKEN)
    whole = dataclasses.replace(RECIPE, batch_size=COUNT)
    ((images, _),) = training_batches(split, whole, seed).take(1).as_numpy_iterator()

    seen = numbers(images)
    ordered = order(seed)
    expected = [
        next(number for number in ordered[place:] + ordered if number not in BROKEN)
        for place in range(COUNT)
    ]
    assert seen == expected


def test_batches_stay_a_function_of_the_step(split):
    recipe = dataclasses.replace(
        RECIPE, augmentation=Augmentation(crop_scale=(0.3, 1.0), mixup_alpha=0.8)
    )
    batches = list(training_batches(split, recipe, seed=0).take(8).as_numpy_iterator())

    rest = training_batches(split, recipe, seed=0, first_step=3).take(5).as_numpy_iterator()
    for (images, labels), (expected_images, expected_labels) in zip(rest, batches[3:], strict=True):
        np.testing.assert_array_equal(images, expected_images)
        np.testing.assert_array_equal(labels, expected_labels)


def test_evaluation_gives_broken_images_no_weight_and_records_them(split):
    broken = BrokenImages(COUNT)
    batches = evaluation_batches(split, (HEIGHT, WIDTH), 6, reader=Reader(broken=broken))

    images, labels, weights = (
        np.concatenate(values) for values in zip(*batches.as_numpy_iterator(), strict=True)
    )
    assert np.flatnonzero(weights == 0).tolist() == [*BROKEN, 20, 21, 22, 23]
    good = weights > 0
    assert numbers(images[good]) == [i for i in range(COUNT) if i not in BROKEN]
    assert labels[good].argmax(-1).tolist() == [i % 3 for i in range(COUNT) if i not in BROKEN]
    assert broken.names == BROKEN_NAMES


@pytest.mark.parametrize(
    ("size", "allowed"), [(1000, 10), (399, 3), (41, 3), (30, 3), (29, 2), (10, 1), (9, 0)]
)
def test_one_in_a_hundred_or_a_few_of_a_small_folder_may_be_broken(size, allowed):
    broken = BrokenImages(size)
    for number in range(allowed):
        broken.record(f"{number}.jpg")
        broken.record(f"{number}.jpg")
    broken.check()

    broken.record("!.jpg")
    share = re.escape(f"{allowed + 1} of {size:,} images ({(allowed + 1) / size:.1%})")
    with pytest.raises(TooManyBrokenImages, match=rf"{share}.*at most {allowed} may be.*!\.jpg"):
        broken.check()


@pytest.mark.parametrize(("validation", "allowed"), [(4, 3), (2, 1), (1, 0)])
def test_validation_images_may_not_all_be_broken(validation, allowed):
    broken = BrokenImages(40, validation)
    for number in range(allowed):
        broken.record(f"{number}.jpg")
    broken.check()

    broken.record("last.jpg")
    with pytest.raises(TooManyBrokenImages, match="not all validation images"):
        broken.check()


def test_of_many_images_the_few_for_validation_may_not_all_be_broken(tmp_path):
    files = FolderSplit(tmp_path, ["a.png", "b.png"], [0, 1], CLASSES)
    broken = BrokenImages(1000, validation_size=2)
    broken.record("of_training.png")
    broken.check()

    list(evaluation_batches(files, (HEIGHT, WIDTH), 3, reader=Reader(broken=broken)))
    with pytest.raises(TooManyBrokenImages, match=r"3 of 1,000.*start in another folder"):
        broken.check()


def test_remembered_images_are_listed_and_do_not_count():
    broken = BrokenImages(20)
    broken.remember(["a.jpg", "b.jpg"])
    broken.record("c.jpg")
    broken.record("d.jpg")
    broken.check()
    assert broken.names == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]

    broken.record("a.jpg")
    with pytest.raises(TooManyBrokenImages, match=r"3 of 20 .*: a\.jpg, c\.jpg, d\.jpg\."):
        broken.check()


def test_batch_of_only_broken_images_is_left_to_the_record(tmp_path):
    write_folder(tmp_path, 4)
    files = [f"{CLASSES[i % 3]}/{i:04}.png" for i in range(4)]
    for file in files:
        (tmp_path / file).write_bytes(b"rubbish")
    broken = BrokenImages(4)
    split = FolderSplit(tmp_path, files, np.arange(4) % 3, CLASSES)

    list(training_batches(split, RECIPE, seed=0, reader=Reader(broken=broken)).take(1))
    with pytest.raises(TooManyBrokenImages, match=r"4 of 4 images \(100\.0%\)"):
        broken.check()
