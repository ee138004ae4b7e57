"""The record of a run that is resumed: refused if it is another run, else with what has changed."""

import dataclasses
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_cabvit.runtimes.run_record import REMEDY
from training.data.opening import same_place
from training.recipes.dotted import leaves
from training.recipes.recipe import Augmentation, ModelOptions, Optimization, Recipe
from training.run.record import plain

# The way and place a run is trained, which may change when it is resumed.
_CIRCUMSTANCES = ("strategy", "devices", "backend", "deterministic", "versions", "hardware")
_WEIGHTS = "recipe.model.initial_weights"
# A run in which one of these differs is another run, and is not resumed.
_IDENTITY = ("recipe", "data", "seed", "split_seed", "class_names", "images", "checksums")
_OPTIMIZATION = "recipe.optimization."


def continued_record(
    earlier: dict, record: dict, folder: Path, change_optimization: bool = False
) -> dict:
    """Returns the run.json of a run that is resumed.

    Args:
        earlier: dict, the folder's run.json.
        record: dict, the record of the command that is started now.
        folder: path, for the message.
        change_optimization: whether the recipe's `optimization` may have changed.

    Returns:
        `earlier`, in which "continued" lists the changes of each resumption: new values of
        "hardware" and the like, under "optimization" pairs of an old and a new value, and under
        "data" the old and the new place of a folder of images that was moved.

    Raises:
        ValueError: it is another run.
    """
    missing = [name for name in ("recipe", "data", "seed") if name not in earlier]
    if missing:
        raise ValueError(f"{folder / 'run.json'} is damaged: it lacks {missing[0]}. {REMEDY}")
    moved = _has_moved(earlier, record)
    before, now = _identities(earlier, record)
    if moved:
        before["data"] = now["data"]
    changes = {}
    if change_optimization:
        changes = {
            name.removeprefix(_OPTIMIZATION): [before.pop(name), now[name]]
            for name in list(before)
            if name.startswith(_OPTIMIZATION) and name in now and before[name] != now[name]
        }
        _check_changes(changes)
    _check_same(before, now, folder)
    latest = dict(earlier)
    for continuation in earlier.get("continued") or ():
        latest |= continuation
    news = {key: record[key] for key in _CIRCUMSTANCES if record[key] != latest.get(key)}
    if changes:
        news["optimization"] = changes
    places = {}
    if moved:
        news["data"] = [_place(earlier), _place(record)]
        places = {name: record[name] for name in ("data", "data_source", "labels", "command")}
    if not news:
        return earlier
    continued = [*(earlier.get("continued") or ()), news]
    return earlier | places | {"recipe": record["recipe"], "continued": continued}


def _check_changes(changes: dict[str, list[Any]]) -> None:
    """Raises a ValueError for a change with which a checkpoint lacks variables."""
    needs_variables: dict[str, Callable[[Any], bool]] = {
        "accumulation_steps": lambda value: value > 1,
        "average_momentum": lambda value: value is not None,
    }
    for name, needs in needs_variables.items():
        if name in changes and len(set(map(needs, changes[name]))) > 1:
            before, now = changes[name]
            raise ValueError(
                f"`optimization.{name}` cannot be changed from {before} to {now} in a run that was "
                "begun: its checkpoint has other variables. Leave it as it was, or start in "
                "another folder with --out."
            )


def _has_moved(earlier: dict, record: dict) -> bool:
    """Returns whether the images of a run are in another folder now, with the same names.

    Their contents are not compared here, but by `check_contents`, for which the run's record must
    have them.
    """
    before, now = _place(earlier), _place(record)
    return (
        all(str(place).startswith("folder:") for place in (before, now))
        and not os.path.isdir(os.path.expanduser(before.removeprefix("folder:")))
        and "contents" in earlier
        and earlier.get("checksums") == record.get("checksums")
    )


def _place(run: dict) -> str:
    return run.get("data_source") or run["data"]


def _identities(earlier: dict, record: dict) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the values that identify a run, by dotted name, of both records, spelled alike."""
    before, now = (
        dict(leaves({key: run.get(key) for key in _IDENTITY})) for run in (earlier, record)
    )
    for name, place in (("data", "data_source"), (_WEIGHTS, "")):
        if same_place(earlier.get(place, before.get(name)), record.get(place, now.get(name))):
            before[name] = now.get(name)
    # Earlier versions kept macOS' form of accented letters.
    if before["class_names"] is not None:
        before["class_names"] = [
            unicodedata.normalize("NFC", name) for name in before["class_names"]
        ]
    # Fields that the earlier version did not have: it trained as their defaults say, but for near
    # duplicates, which it drew one by one.
    defaults = dict(leaves({"recipe": _recipe_defaults()}))
    defaults["recipe.group_duplicates"] = False
    return {name: defaults[name] for name in defaults if name in now} | before, now


def _check_same(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Raises a ValueError that names the differences of two runs, if there are any."""
    different = [name for name, old in before.items() if old != now.get(name)]
    if not different:
        return
    differences = [
        f"the {name.partition('.')[2]} images or their classes differ"
        if name.startswith("checksums.")
        else f"{name} was {before[name]} and is {now.get(name)}"
        for name in different[:5]
    ]
    raise ValueError(
        f"{folder} holds a run with other settings or data: {'; '.join(differences)}. "
        "Use its original settings and data, or choose another folder with --out."
        + (
            " Only options of the optimization may change, with --change-optimization."
            if all(name.startswith(_OPTIMIZATION) for name in different)
            else ""
        )
    )


def _recipe_defaults() -> dict:
    """Returns the defaults of a recipe's fields, as run.json has them."""
    return {
        "model": _defaults(ModelOptions),
        "optimization": _defaults(Optimization),
        "augmentation": _defaults(Augmentation),
        **_defaults(Recipe),
    }


def _defaults(form: type) -> dict:
    return {
        field.name: plain(field.default)
        for field in dataclasses.fields(form)
        if field.default is not dataclasses.MISSING
    }
