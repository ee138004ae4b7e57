import sys
import types

import numpy as np
import pytest

from training.data.opening import open_data_set


@pytest.fixture
def cells(monkeypatch):
    """Replaces the package, with 400 images whose first pixels are their numbers."""
    generator = np.random.default_rng(0)
    images = np.zeros((400, 5, 5), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(400) % 250, np.arange(400) // 250
    probabilities = generator.choice([0, 1 / 3, 2 / 3, 1], 400, p=[0.5, 0.2, 0.1, 0.2])
    types_of_cell = generator.choice(["mono", "poly"], 400)
    utils = types.ModuleType("elpv_dataset.utils")
    utils.load_dataset = lambda: (images, probabilities, types_of_cell)
    monkeypatch.setitem(sys.modules, "elpv_dataset", types.ModuleType("elpv_dataset"))
    monkeypatch.setitem(sys.modules, "elpv_dataset.utils", utils)
    return probabilities, types_of_cell


def members(split):
    """Returns the numbers of a split's images and their labels."""
    examples = list(split.in_order())
    pixels = [split.image(example).numpy() for example in examples]
    return (
        np.array([int(image[0, 0]) + 250 * int(image[0, 1]) for image in pixels]),
        np.array([int(example["label"]) for example in examples]),
    )


def test_splits_are_even_by_type_and_probability(cells):
    probabilities, types_of_cell = cells
    data_set = open_data_set("elpv", 0.2, 0)
    parts = [members(split) for split in (data_set.training, data_set.validation, data_set.test)]

    assert data_set.class_names == ("functional", "defective")
    assert sorted(np.concatenate([numbers for numbers, _ in parts])) == list(range(400))
    assert [len(numbers) for numbers, _ in parts] == [240, 60, 100]
    for numbers, labels in parts:
        np.testing.assert_array_equal(labels, probabilities[numbers] > 0.5)
        for probability in np.unique(probabilities):
            for kind in ("mono", "poly"):
                stratum = (probabilities == probability) & (types_of_cell == kind)
                expected = stratum.sum() * len(numbers) / 400
                assert abs(stratum[numbers].sum() - expected) <= 1.5


def test_the_test_images_are_the_same_for_every_seed(cells):
    first, other = (open_data_set("elpv", 0.2, seed) for seed in (0, 1))

    np.testing.assert_array_equal(members(first.test)[0], members(other.test)[0])
    assert set(members(first.validation)[0]) != set(members(other.validation)[0])


def test_a_missing_package_gives_a_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "elpv_dataset", None)

    with pytest.raises(ImportError, match=r'pip install "keras-cabvit\[elpv\]"'):
        open_data_set("elpv")


@pytest.mark.slow
def test_the_real_data_set_has_the_published_counts():
    pytest.importorskip("elpv_dataset")
    data_set = open_data_set("elpv", 0.1, 0)

    splits = (data_set.training, data_set.validation, data_set.test)
    assert [split.size for split in splits] == [1771, 197, 656]
    labels = [
        next(split.in_order().map(lambda example: example["label"]).batch(2624).as_numpy_iterator())
        for split in splits
    ]
    assert np.concatenate(labels).sum() == 821
    assert data_set.test.image(next(iter(data_set.test.in_order()))).shape == (300, 300)
