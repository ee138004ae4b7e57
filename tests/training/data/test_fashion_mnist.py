import keras
import numpy as np
import pytest

from training.data import fashion_mnist
from training.data.fashion_mnist import (
    CLASS_NAMES,
    SUBSET_FOLDER,
    fashion_mnist_subset,
)
from training.data.idx import read_idx, write_idx
from training.data.opening import open_data_set


def test_subset_is_even_by_class_and_has_no_image_twice():
    training, test = fashion_mnist_subset()

    assert training.images.shape == (5000, 28, 28)
    assert test.images.shape == (1000, 28, 28)
    assert np.bincount(training.labels).tolist() == [500] * len(CLASS_NAMES)
    assert np.bincount(test.labels).tolist() == [100] * len(CLASS_NAMES)
    images = {image.tobytes() for part in (training, test) for image in part.images}
    assert len(images) == 6000


def test_subset_is_at_most_5_megabytes_with_its_licence():
    assert sum(file.stat().st_size for file in SUBSET_FOLDER.iterdir()) < 5e6
    assert "MIT" in (SUBSET_FOLDER / "LICENSE").read_text()


def test_idx_file_comes_back_as_it_was_written(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    write_idx(tmp_path / "array.gz", array)

    np.testing.assert_array_equal(read_idx(tmp_path / "array.gz"), array)


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b"text", lambda b: b""])
def test_damaged_idx_file_gives_a_clear_error(tmp_path, damage):
    file = tmp_path / "images.gz"
    write_idx(file, np.arange(200, dtype=np.uint8))
    file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(ValueError, match=r"images\.gz is not an? .*idx"):
        read_idx(file)


@pytest.fixture
def debian_folder(tmp_path, monkeypatch):
    """Replaces Debian's package, with 40 training images and 20 test images."""
    for part, count in (("train", 40), ("t10k", 20)):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        labels = (np.arange(count) % 10).astype(np.uint8)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path)
    return tmp_path


def all_of(split):
    return [
        (split.image(example).numpy().tobytes(), int(example["label"]))
        for example in split.in_order()
    ]


def test_validation_images_are_cut_only_from_the_training_files(debian_folder):
    data_set = open_data_set("fashion_mnist", 0.25, 0)
    training, validation, test = map(
        all_of, (data_set.training, data_set.validation, data_set.test)
    )

    assert (len(training), len(validation), len(test)) == (30, 10, 20)
    assert sorted(label for _, label in validation) == list(range(10))
    files = read_idx(debian_folder / "train-images-idx3-ubyte.gz")
    assert {image for image, _ in training + validation} == {image.tobytes() for image in files}
    assert "10 validation images were drawn from the 40 training images" in data_set.validation_note


def test_fixed_draw_of_the_training_images_is_even_by_class(debian_folder):
    whole = open_data_set("fashion_mnist", 0.25, 0)
    drawn, again = (open_data_set("fashion_mnist:20", 0.25, 0) for _ in range(2))

    assert sorted(label for _, label in all_of(drawn.training)) == sorted([*range(10)] * 2)
    assert set(all_of(drawn.training)) < set(all_of(whole.training))
    assert all_of(drawn.training) == all_of(again.training)
    assert all_of(drawn.validation) == all_of(whole.validation)


def test_too_many_images_give_a_clear_error(debian_folder):
    with pytest.raises(ValueError, match=r"must be between 10 and 20, .* Received: 30"):
        open_data_set("fashion_mnist:30", 0.25, 0)


def test_without_debians_files_keras_downloads(monkeypatch, tmp_path):
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "none")
    images, labels = np.zeros((20, 28, 28), np.uint8), np.arange(20, dtype=np.uint8) % 10
    monkeypatch.setattr(
        keras.datasets.fashion_mnist, "load_data", lambda: ((images, labels), (images, labels))
    )
    assert open_data_set("fashion_mnist", 0.5, 0).training.size == 10


def test_failed_download_gives_a_clear_error(monkeypatch, tmp_path):
    def fail():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "none")
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", fail)
    with pytest.raises(FileNotFoundError, match=r"dataset-fashion-mnist.*URL fetch failure"):
        open_data_set("fashion_mnist")
