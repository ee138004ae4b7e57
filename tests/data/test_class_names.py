"""Matching the classes of two lists by name."""

import pytest

from keras_cabvit.data.class_names import match_classes

ANIMALS = ("cat", "dog", "owl")


def match(model_names, data_names, classes=None, **options):
    return match_classes(model_names, data_names, classes, model="M", data="D", **options)


def test_equal_lists_need_no_words():
    found = match(ANIMALS, ANIMALS)

    assert (found.positions, found.notes) == ((0, 1, 2), ())


@pytest.mark.parametrize(
    ("model_names", "data_names", "positions", "sentence"),
    [
        (ANIMALS, ("owl", "cat", "dog"), (2, 0, 1), "another order"),
        (ANIMALS, ("Owl", "cat", "dog"), (2, 0, 1), "Owl is owl"),
        (ANIMALS, ("dog",), (1,), "only 1 of the 3 classes of M; it has none of cat, owl"),
        (("Straße", "weg"), ("STRASSE", "weg"), (0, 1), "STRASSE is Straße"),
        (("Cat", "cat"), ("cat", "Cat"), (1, 0), "another order"),
        (ANIMALS, ("0", "1", "2"), (0, 1, 2), "are numbers"),
        (tuple("abcdefghijk"), ("0", "1", "10", *"23456789"), (0, 1, 10, *range(2, 10)), "numbers"),
    ],
)
def test_names_are_matched_with_a_note(model_names, data_names, positions, sentence):
    found = match(model_names, data_names)

    assert found.positions == positions
    assert sentence in " ".join(found.notes)


def test_composed_and_decomposed_letters_are_the_same_name():
    found = match(("caf\u00e9", "bar"), ("cafe\u0301", "bar"))  # as Linux and macOS write them

    assert (found.positions, found.notes) == ((0, 1), ())
    assert match(("Caf\u00e9", "caf\u00e9"), ("cafe\u0301",)).positions == (1,)


@pytest.mark.parametrize(
    ("model_names", "data_names", "unknown"),
    [
        (ANIMALS, ("cat", "dog", "fox"), "'fox'"),
        (ANIMALS, ("a", "b", "c"), "'a', 'b', 'c'"),
        (("Cat", "cat"), ("CAT",), "'CAT'"),  # either of two
        (("cat", "dog"), ("Cat", "CAT"), "'Cat', 'CAT'"),  # two that would be one
        (("cat", "dog"), ("cat", "Cat"), "'Cat'"),
        (("cat", "cat"), ("cat",), "'cat'"),
        (ANIMALS, ("1", "2", "3"), "'1', '2', '3'"),
        (ANIMALS, ("0", "1"), "'0', '1'"),
    ],
)
def test_other_names_are_refused_with_both_lists(model_names, data_names, unknown):
    with pytest.raises(ValueError, match="has the name") as raised:
        match(model_names, data_names)
    assert f"has the name {unknown}. " in str(raised.value)
    assert f"The classes of D: {', '.join(data_names)}." in str(raised.value)
    assert f"The classes of M: {', '.join(model_names)}." in str(raised.value)


def test_assumed_order_of_a_model_without_names_is_stated():
    found = match(None, ANIMALS, 3)

    assert found.positions == (0, 1, 2)
    assert found.notes == (
        "Assumed classes in the order cat, dog, owl: M does not name its classes.",
    )
    with pytest.raises(ValueError, match="M has 4 classes without names, and D has 3"):
        match(None, ANIMALS, 4)


def test_positions_are_compared_only_on_request():
    found = match(ANIMALS, ("a", "b", "c"), by_position=True)

    assert found.positions == (0, 1, 2)
    assert "order a, b, c: as you asked" in found.notes[0]
    with pytest.raises(ValueError, match="only equally many"):
        match(ANIMALS, ("a", "b"), by_position=True)


def test_long_lists_are_cut():
    names = tuple(f"class {number}" for number in range(1000))

    with pytest.raises(ValueError, match="and 990 more") as raised:
        match(names, ("fox",))
    assert len(str(raised.value)) < 500
