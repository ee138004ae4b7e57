import numpy as np
import pytest

from training.data.array_split import ArraySplit
from training.data.opening import open_data_set
from training.data.stratified import held_out


@pytest.mark.parametrize("spec", ["mnist", "folder:", "tfds:", "fashion_mnist:x"])
def test_unknown_data_set_gives_a_clear_error(spec):
    with pytest.raises(ValueError, match=rf'"folder:PATH" or "tfds:NAME". Received: "{spec}"'):
        open_data_set(spec)


def test_error_of_a_bare_path_suggests_folder():
    with pytest.raises(ValueError, match='Did you mean "folder:photos/mine"'):
        open_data_set("photos/mine")


def test_every_class_gives_the_same_share():
    classes = np.repeat([0, 1, 2], [100, 50, 10])

    assert np.bincount(classes[held_out(classes, 0.1, seed=0)]).tolist() == [10, 5, 1]


def test_remainder_of_the_rounding_is_distributed():
    # A quarter of ten is 2.5 in each of four classes: ten in all.
    classes = np.repeat(range(4), 10)

    assert held_out(classes, 0.25, seed=0).sum() == 10


def test_a_class_of_two_gives_one_and_a_class_of_one_none():
    classes = np.repeat([0, 1, 2], [100, 2, 1])

    assert np.bincount(classes[held_out(classes, 0.1, seed=0)], minlength=3).tolist() == [10, 1, 0]


def test_the_draw_is_the_same_everywhere():
    assert np.flatnonzero(held_out(np.zeros(20), 0.2, seed=3)).tolist() == [1, 2, 14, 17]


def bursts(count, length):
    """Returns the groups of `count` images in bursts of a length."""
    return np.arange(count) // length


@pytest.mark.parametrize("seed", range(5))
def test_without_duplicates_the_draw_is_that_without_groups(seed):
    classes = np.random.default_rng(seed).integers(0, 7, 300)
    groups = np.random.default_rng(seed).permutation(300)

    np.testing.assert_array_equal(
        held_out(classes, 0.15, seed, groups), held_out(classes, 0.15, seed)
    )


@pytest.mark.parametrize("length", [2, 3, 5])
def test_bursts_stay_together_and_classes_even(length):
    classes, groups = np.repeat(range(4), 60), bursts(240, length)
    held = held_out(classes, 0.2, 3, groups)

    assert all(len({*held[groups == group]}) == 1 for group in groups)
    counts = np.bincount(classes[held], minlength=4)
    assert np.abs(counts - 12).max() <= length // 2
    np.testing.assert_array_equal(held, held_out(classes, 0.2, 3, groups))
    assert (held != held_out(classes, 0.2, 4, groups)).any()


def test_one_burst_leaves_the_draw_of_other_classes_as_it_is():
    classes, groups = np.repeat(range(3), 40), np.arange(120)
    groups[50:56] = 50
    alone, grouped = held_out(classes, 0.2, 1), held_out(classes, 0.2, 1, groups)

    assert len({*grouped[50:56]}) == 1
    np.testing.assert_array_equal(grouped[classes != 1], alone[classes != 1])


def test_copies_in_two_classes_stay_together():
    classes, groups = np.repeat(range(2), 20), np.tile(np.arange(20), 2)
    held = held_out(classes, 0.25, 0, groups)

    np.testing.assert_array_equal(held[:20], held[20:])
    assert held.sum() == 10


def test_class_of_large_bursts_gives_its_smallest():
    # One image should be held out of twelve, in bursts of 5, 4 and 3.
    groups = np.repeat(range(3), [5, 4, 3])

    assert np.flatnonzero(held_out(np.zeros(12), 0.1, 0, groups)).tolist() == [9, 10, 11]


def test_class_of_one_burst_is_divided():
    held = held_out(np.repeat([0, 1], 10), 0.2, 0, np.repeat([0, *range(1, 11)], [10, *[1] * 10]))

    assert np.bincount(np.repeat([0, 1], 10)[held]).tolist() == [2, 2]


@pytest.mark.parametrize("share", [0, 1, -0.1, 10])
def test_share_of_nothing_or_everything_gives_a_clear_error(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        held_out(np.zeros(10), share, seed=0)


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        (np.zeros((2, 4, 4)), np.zeros(2, int), "`images` must be uint8 of shape"),
        (np.zeros((2, 4, 4, 4), "uint8"), np.zeros(2, int), "`images` must be uint8 of shape"),
        (np.zeros((2, 4, 4), "uint8"), np.zeros(3, int), r"`labels` must have the shape \(2,\)"),
    ],
)
def test_arrays_that_are_not_images_are_refused(images, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        ArraySplit(images, labels, ("a", "b"))
