"""The classes of a model's scores, matched to those of the data."""

from dataclasses import dataclass

from keras_cabvit.data.class_names import match_classes
from keras_cabvit.runtimes.opened_model import OpenedModel
from training.data.data_set import DataSet


@dataclass(frozen=True)
class ScoredClasses:
    """The classes of scores: those of the data, then those that only the model has.

    Attributes:
        names: tuple of strings.
        columns: list of integers, the number of each class in the model.
        notes: list of sentences on how the classes were matched.
    """

    names: tuple[str, ...]
    columns: list[int]
    notes: list[str]


def scored_classes(
    model: OpenedModel, data_set: DataSet, by_position: bool = False
) -> ScoredClasses:
    """Matches the classes of the data to those of a model, by name.

    Args:
        model: `OpenedModel`.
        data_set: `DataSet`.
        by_position: whether the data's classes are in the model's order, whatever their names.

    Returns:
        `ScoredClasses`.

    Raises:
        ValueError: a class of the data is not one of the model's.
    """
    names = tuple(data_set.class_names)
    match = match_classes(
        model.class_names,
        names,
        model.classes,
        model=str(model.path),
        data=data_set.name,
        by_position=by_position,
    )
    own = model.class_names or ()
    others = [place for place in range(len(own)) if place not in match.positions]
    notes = list(match.notes)
    if others and not by_position:
        notes.append("A prediction of a class that the data lacks counts as wrong.")
    else:
        others = []
    return ScoredClasses(
        (*names, *(own[place] for place in others)), [*match.positions, *others], notes
    )
