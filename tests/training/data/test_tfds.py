import sys

import pytest
from image_files import CLASSES, numbers

from training.data.batches import evaluation_batches
from training.data.opening import open_data_set

tfds = pytest.importorskip("tensorflow_datasets")


def pictures(split):
    """Returns the pictures of a split, in its stored order, and their labels."""
    ((images, labels, _),) = evaluation_batches(split, (12, 10), split.size).as_numpy_iterator()
    return numbers(images), labels.argmax(-1).tolist()


def test_without_validation_images_some_of_train_are_held_out(tfds_folder):
    data_set = open_data_set("tfds:tiny_pictures", 0.25, 0, tfds_folder)
    training, training_labels = pictures(data_set.training)
    validation, validation_labels = pictures(data_set.validation)

    assert data_set.name == "tiny_pictures/1.0.0"
    assert data_set.class_names == CLASSES
    assert sorted(training + validation) == list(range(23))
    assert training_labels == [number % 3 for number in training]
    assert sorted(validation_labels) == [0, 0, 1, 1, 2, 2]
    assert sorted(pictures(data_set.test)[0]) == list(range(7))
    assert "drawn from the 23 labelled images" in data_set.validation_note


def test_the_held_out_images_follow_their_seed(tfds_folder):
    first, again, other = (
        pictures(open_data_set("tfds:tiny_pictures", 0.25, seed, tfds_folder).validation)[0]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_validation_images_are_taken_as_they_are_and_a_test_without_labels_is_not(tfds_folder):
    data_set = open_data_set("tfds:tiny_pictures_validated:1.0.0", 0.1, 0, tfds_folder)

    assert data_set.training.size == 23
    assert sorted(pictures(data_set.validation)[0]) == list(range(5))
    assert data_set.test is None
    assert data_set.notes == ('The split "test" has no labels and was ignored.',)
    assert 'split "validation"' in data_set.validation_note


def test_images_are_called_by_number_and_file(tfds_folder):
    split = open_data_set("tfds:tiny_pictures", 0.1, 0, tfds_folder).test

    examples = list(split.in_order().as_numpy_iterator())
    assert examples[4]["name"].decode().startswith("test image 4 (000")
    assert examples[4]["image"].startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_builder_with_files_of_its_own_is_read_too(tmp_path):
    from image_files import write_folder

    write_folder(tmp_path / "train", 12)
    write_folder(tmp_path / "test", 3)

    class TinyImageFolder(tfds.ImageFolder):
        def __init__(self, data_dir, **options):
            super().__init__(data_dir)

    data_set = open_data_set("tfds:tiny_image_folder", 0.25, 0, tmp_path)
    training, labels = pictures(data_set.training)
    assert sorted(training + pictures(data_set.validation)[0]) == list(range(12))
    assert labels == [number % 3 for number in training]
    assert data_set.test.size == 3


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("tiny_picture", ValueError, r"no data set tiny_picture\. Did you mean tiny_pictures"),
        ("tiny_pictures:7.7.7", ValueError, "cannot open tiny_pictures:7.7.7.* 1.0.0"),
        ("tiny_pictures_unlabelled", ValueError, "must have an image and a class label.* photo"),
        ("tiny_pictures_by_hand", FileNotFoundError, r"downloads/manual\. Sign up and get"),
        ("tiny_pictures_far", FileNotFoundError, "not be downloaded .*: the network is down"),
    ],
)
def test_unusable_data_set_gives_a_clear_error(tfds_folder, capsys, name, error, sentence):
    with pytest.raises(error, match=sentence):
        open_data_set(f"tfds:{name}", 0.1, 0, tfds_folder)

    began = "Downloading and preparing it; without a network" in capsys.readouterr().out
    assert began == (name == "tiny_pictures_far")


@pytest.mark.parametrize("package", ["tensorflow_datasets", "importlib_resources"])
def test_a_missing_package_gives_a_clear_error(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ImportError, match="pip install tensorflow-datasets importlib_resources"):
        open_data_set("tfds:tiny_pictures")
