"""The recipe and options of an earlier run, as the defaults of another."""

import dataclasses
import os
import types
import typing
from pathlib import Path
from typing import Any

from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.run_record import read_run, sentence_on_runs_in
from training.data.opening import place_of_run
from training.recipes.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Config:
    """The settings of a run, as its run.json states them.

    Attributes:
        recipe: `Recipe`; fields that the file does not have keep their defaults.
        options: dict of those fields of `TrainOptions` that belong to a run wherever it is trained:
            data, labels, seed, split_seed, deterministic and extend, without which validation
            images would be drawn among those that an extended model has learned. A folder of images
            has its full path.
        notes: sentences on fields that this version does not know.
    """

    recipe: Recipe
    options: dict[str, Any]
    notes: tuple[str, ...]


def read_config(path: str | os.PathLike, option: str = "config") -> Config:
    """Reads the settings of a run.

    Args:
        path: run.json, or the folder that holds it.
        option: string, the name of the option that gave it, for messages.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or lacks something that has no default.
    """
    path = local_path(path, option)
    file = path / "run.json" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(
            f"`{option}` must be the run.json of a run, or its folder. There is no {file}."
            f"{sentence_on_runs_in(file.parent if file.name == 'run.json' else file)}"
        )
    run = read_run(file.parent, file.name)
    if run is None or not isinstance(run.get("recipe"), dict):
        raise ValueError(f"{file} is not the run.json of a run: it has no recipe.")
    unknown: list[str] = []
    recipe = _read(Recipe, run["recipe"], "recipe", file, unknown)
    notes = []
    if unknown:
        notes.append(
            f"{file} has fields that this version does not know, and they have no effect: "
            f"{', '.join(unknown)}."
        )
    options = {
        name: _checked(kind, run[name], name, file)
        for name, kind in (("seed", int), ("split_seed", int), ("deterministic", bool))
        if name in run
    }
    data = place_of_run(run) or run.get("data")
    if data is not None:
        options["data"] = _checked(str, data, "data", file)
    labels = _checked(str | None, run.get("labels"), "labels", file)
    if labels is not None:
        options["labels"] = Path(labels)
    extends = run.get("extends")
    if isinstance(extends, dict) and "run" in extends:
        options["extend"] = Path(_checked(str, extends["run"], "extends.run", file))
    return Config(recipe, options, tuple(notes))


def _read(form: type, values: dict, name: str, file: Path, unknown: list[str]) -> Any:
    """Returns a dataclass made of a dict, and adds the names of unknown fields to a list."""
    kinds = typing.get_type_hints(form)
    unknown += [f"{name}.{key}" for key in values if key not in kinds]
    given: dict[str, Any] = {}
    for field in dataclasses.fields(form):
        place = f"{name}.{field.name}"
        kind = kinds[field.name]
        if field.name in values and dataclasses.is_dataclass(kind):
            if not isinstance(values[field.name], dict):
                raise ValueError(f"{file} is damaged: {place} must be an object.")
            given[field.name] = _read(
                typing.cast(type, kind), values[field.name], place, file, unknown
            )
        elif field.name in values:
            given[field.name] = _checked(kind, values[field.name], place, file)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{file} is not the run.json of a run: it lacks {place}.")
    return form(**given)


def _checked(kind: Any, value: Any, name: str, file: Path) -> Any:
    """Returns a value of JSON as a field of that type, or raises ValueError."""
    if isinstance(value, list):
        value = tuple(value)
    if not _fits(kind, value):
        right = kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
        raise ValueError(f"{file} is damaged: {name} must be {right}. It is {value!r}.")
    return float(value) if kind is float else value


def _fits(kind: Any, value: Any) -> bool:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return value in arguments
    if origin in (typing.Union, types.UnionType):
        return any(_fits(each, value) for each in arguments)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if arguments[-1] is Ellipsis:
            arguments = arguments[:1] * len(value)
        return len(value) == len(arguments) and all(map(_fits, arguments, value))
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)
