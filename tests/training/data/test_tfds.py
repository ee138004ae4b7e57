import sys

import pytest
from image_files import CLASSES, decoded, numbers

from training.data.batches import evaluation_batches
from training.data.opening import open_data_set
from training.evaluation.scored_images import data_of_run

tfds = pytest.importorskip("tensorflow_datasets")


def pictures(split):
    """Returns the pictures of a split, in its stored order, and their labels."""
    batches = evaluation_batches(decoded(split), (12, 10), split.size)
    ((images, labels, _),) = batches.as_numpy_iterator()
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


@pytest.fixture(scope="module")
def whole(tfds_folder):
    """A data set, and its pictures by their places in its file."""
    data_set = open_data_set("tfds:tiny_pictures", 0.25, 0, tfds_folder)
    stored = pictures(data_set.training)[0] + pictures(data_set.validation)[0]
    order = [
        int(example["name"].decode().split()[2])
        for split in (data_set.training, data_set.validation)
        for example in split.in_order().as_numpy_iterator()
    ]
    return data_set, dict(zip(order, stored, strict=True))


@pytest.mark.parametrize(
    ("part", "numbers_of_part"),
    [("[:50%]", range(12)), ("[4:10]", range(4, 10)), ("[-5:]", range(18, 23))],
)
def test_a_part_of_the_training_images(tfds_folder, whole, part, numbers_of_part):
    all_images, number_of = whole
    data_set = open_data_set(f"tfds:tiny_pictures{part}", 0.25, 0, tfds_folder)
    found = pictures(data_set.training)[0] + pictures(data_set.validation)[0]
    assert sorted(found) == sorted(number_of[place] for place in numbers_of_part)
    assert data_set.name == f"tiny_pictures/1.0.0{part}"
    assert f'the part "train{part}" is trained on' in data_set.notes[0]
    assert data_set.checksums()["training"] != all_images.checksums()["training"]


def test_a_part_leaves_a_validation_split_whole(tfds_folder):
    data_set = open_data_set("tfds:tiny_pictures_validated[:8]", 0.1, 0, tfds_folder)
    assert data_set.training.size == 8
    assert sorted(pictures(data_set.validation)[0]) == list(range(5))


def test_a_prepared_data_set_is_opened_by_its_path(tfds_folder):
    named = open_data_set("tfds:tiny_pictures", 0.25, 0, tfds_folder)
    expected = pictures(named.training)
    for path in (tfds_folder / "tiny_pictures", tfds_folder / "tiny_pictures" / "1.0.0"):
        data_set = open_data_set(f"tfds:{path}", 0.25)
        assert data_set.checksums() == named.checksums()
        assert pictures(data_set.training) == expected


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
        ("tiny_pictures[:50", ValueError, r"no data set|cannot open"),
        ("tiny_pictures[5:5]", ValueError, 'must have images. The split "train" has 23'),
        (
            "tiny_pictures[half]",
            ValueError,
            r'must be a part of a split .* such as "train\[:50%\]"',
        ),
        ("/no/such/folder", FileNotFoundError, "no folder of a prepared data set at /no/such"),
        ("tiny_pictures_far", FileNotFoundError, "not be downloaded .*: the network is down"),
    ],
)
def test_unusable_data_set_gives_a_clear_error(tfds_folder, capsys, name, error, sentence):
    with pytest.raises(error, match=sentence):
        open_data_set(f"tfds:{name}", 0.1, 0, tfds_folder)

    began = "Downloading and preparing it; without a network" in capsys.readouterr().out
    assert began == (name == "tiny_pictures_far")


def test_a_folder_of_something_else_gives_a_clear_error(tmp_path, tfds_folder):
    with pytest.raises(ValueError, match=rf'no dataset_info.json. .* give "folder:{tmp_path}"'):
        open_data_set(f"tfds:{tmp_path}")
    with pytest.raises(ValueError, match=r"It has several: tiny_pictures/1\.0\.0, "):
        open_data_set(f"tfds:{tfds_folder}")


def test_a_misspelt_local_data_set_is_recognised(tmp_path):
    (tmp_path / "my_mushrooms").mkdir()
    with pytest.raises(ValueError, match=r"no data set my_mushroms\. Did you mean my_mushrooms\?"):
        open_data_set("tfds:my_mushroms", 0.1, 0, tmp_path)


@pytest.mark.parametrize("package", ["tensorflow_datasets", "importlib_resources"])
def test_a_missing_package_gives_a_clear_error(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ImportError, match=r'pip install "keras-cabvit\[tfds\]"'):
        open_data_set("tfds:tiny_pictures")


def test_data_of_a_run_is_opened_again(tfds_folder):
    name = f"tfds:{tfds_folder}/tiny_pictures/1.0.0[:50%]"
    data_set = open_data_set(name)
    again = open_data_set(data_of_run({"data": name, "data_source": data_set.source}))

    assert again.checksums() == data_set.checksums()
