"""Classes of two sources, such as a model and a folder of images, matched by name.

The positions of two lists are never compared: a folder `Owl` sorts before `cat`, and the second of
three classes may be the first of two.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keras_cabvit.data.listed import listed

_MOST_LISTED = 10


@dataclass(frozen=True)
class ClassMatch:
    """Positions of the data's classes in a model.

    Attributes:
        positions: tuple of integers, for each class of the data its number in the model. All
            different.
        notes: tuple of sentences on how they were matched; empty if both lists are equal.
    """

    positions: tuple[int, ...]
    notes: tuple[str, ...]


def match_classes(
    model_names: Sequence[str] | None,
    data_names: Sequence[str],
    classes: int | None = None,
    *,
    model: str,
    data: str,
    by_position: bool = False,
) -> ClassMatch:
    """Finds the classes of data among those of a model.

    Names are equal if they are the same text in Unicode's composed form (NFC); if there is no such
    name, upper and lower case are ignored, provided that only one name of each list remains. The
    data may have only some of the model's classes, even a single one. Names that are the numbers 0,
    1, ..., one per class of the model, are not names but positions in the model.

    Args:
        model_names: strings, the classes in the model's order; None if the model does not name
            them: then the data must have as many classes, in the model's order.
        data_names: strings, the classes of the data.
        classes: integer, the model's number of classes; None takes that of its names.
        model: name of the model for messages.
        data: name of the data for messages.
        by_position: whether to take the data's classes in the model's order, whatever their names.

    Returns:
        `ClassMatch`.

    Raises:
        ValueError: a class of the data is not one of the model's, or the model has no names and
            another number of classes.
    """
    data_names = tuple(data_names)
    if classes is None:
        classes = len(data_names if model_names is None else model_names)
    if model_names is None or by_position:
        return _by_position(data_names, classes, model, data, as_asked=by_position)
    model_names = tuple(model_names)
    if model_names == data_names:
        return ClassMatch(tuple(range(len(data_names))), ())
    positions = _positions(model_names, data_names)
    notes = []
    if None in positions and set(data_names) == set(map(str, range(classes))):
        positions = [int(name) for name in data_names]
        notes.append(
            f"The classes of {data} are numbers, taken for the numbers of {model}'s classes: 0 is "
            f"{model_names[0]}, {classes - 1} is {model_names[-1]}."
        )
    found = [position for position in positions if position is not None]
    if len(found) < len(positions) or len(set(found)) < len(found):
        unknown = [
            name
            for name, position in zip(data_names, positions, strict=True)
            if position is None or positions.count(position) > 1
        ]
        raise ValueError(
            f"Each class of {data} must be one class of {model}. No class of {model}, or not only "
            f"one, has the name {listed(map(repr, unknown), _MOST_LISTED)}. "
            f"The classes of {data}: {listed(data_names, _MOST_LISTED)}. "
            f"The classes of {model}: {listed(model_names, _MOST_LISTED)}."
        )
    if not notes:
        notes = _notes(model_names, data_names, found, model, data)
    if len(found) < classes:
        lacking = [name for place, name in enumerate(model_names) if place not in found]
        notes.append(
            f"{data} has only {len(found):,} of the {classes:,} classes of {model}; it has none of "
            f"{listed(lacking, _MOST_LISTED)}."
        )
    return ClassMatch(tuple(found), tuple(notes))


def _by_position(
    names: tuple[str, ...], classes: int, model: str, data: str, as_asked: bool
) -> ClassMatch:
    """Returns the data's classes in the model's order, because that is asked for or unknown."""
    if classes != len(names):
        raise ValueError(
            f"{model} has {classes} classes{'' if as_asked else ' without names'}, and {data} has "
            f"{len(names)}: {listed(names, _MOST_LISTED)}. "
            + (
                "Positions match only equally many classes."
                if as_asked
                else "Name the model's classes in a labels.txt beside it, one per line."
            )
        )
    reason = "as you asked" if as_asked else f"{model} does not name its classes"
    note = f"Assumed classes in the order {listed(names, _MOST_LISTED)}: {reason}."
    return ClassMatch(tuple(range(classes)), (note,))


def _positions(model_names: Sequence[str], data_names: Sequence[str]) -> list[int | None]:
    positions: list[int | None] = [None] * len(data_names)
    for key in (str, _composed, _caseless):
        places = _unique(model_names, key)
        theirs = _unique(data_names, key)
        for number, name in enumerate(data_names):
            if positions[number] is None and theirs.get(key(name)) is not None:
                positions[number] = places.get(key(name))
    return positions


def _unique(names: Sequence[str], key: Callable[[str], str]) -> dict[str, int | None]:
    """Returns a dict from the key of each name to its place; None if several have that key."""
    places: dict[str, int | None] = {}
    for place, name in enumerate(names):
        places[key(name)] = None if key(name) in places else place
    return places


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _caseless(name: str) -> str:
    return unicodedata.normalize("NFC", _composed(name).casefold())


def _notes(
    model_names: Sequence[str],
    data_names: Sequence[str],
    positions: Sequence[int],
    model: str,
    data: str,
) -> list[str]:
    """Returns sentences on differences of order and spelling."""
    notes = []
    if list(positions) != sorted(positions):
        notes.append(f"{model} has its classes in another order than {data}: matched by name.")
    pairs = [
        (name, model_names[position])
        for name, position in zip(data_names, positions, strict=True)
        if _composed(name) != _composed(model_names[position])
    ]
    if pairs:
        notes.append(
            f"Names of {data} and of {model} differ in upper and lower case, and were matched: "
            f"{listed((f'{theirs} is {mine}' for theirs, mine in pairs), _MOST_LISTED)}."
        )
    return notes
