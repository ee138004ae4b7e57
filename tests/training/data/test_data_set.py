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
def test_arrays_that_are_no_images_are_refused(images, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        ArraySplit(images, labels, ("a", "b"))
