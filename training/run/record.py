"""run.json: the record of a run's settings, data and computer."""

import dataclasses
import importlib.metadata
import os
import platform
import shlex
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from keras_cabvit.runtimes.run_record import REMEDY
from keras_cabvit.url_credentials import without_credentials
from training.data.data_set import DataSet
from training.devices.strategies import Placement
from training.recipes.recipe import Augmentation, ModelOptions, Optimization, Recipe
from training.run.options import TrainOptions

_PACKAGES = (
    "keras-cabvit",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "tensorflow-datasets",
)
# The way and place a run is trained, which may change when it is resumed.
_CIRCUMSTANCES = ("strategy", "devices", "backend", "deterministic", "versions", "hardware")
_WEIGHTS = "recipe.model.initial_weights"
# A run in which one of these differs is another run, and is not resumed.
_IDENTITY = ("recipe", "data", "seed", "split_seed", "class_names", "images", "checksums")


def run_record(
    recipe: Recipe,
    options: TrainOptions,
    placement: Placement,
    data_set: DataSet,
    command: str | None,
) -> dict:
    """Returns the content of run.json for a new run.

    Args:
        recipe: `Recipe`.
        options: `TrainOptions`.
        placement: `Placement`.
        data_set: `DataSet`.
        command: string, the command that started the run; None means this process's command line.
            Credentials in its URLs are not recorded.

    Returns:
        A dict that JSON can represent.
    """
    return {
        "recipe": _plain(dataclasses.asdict(recipe)),
        "data": options.data,
        "data_source": data_set.source or options.data,
        "labels": None if options.labels is None else str(options.labels.resolve()),
        "seed": options.seed,
        "split_seed": options.split_seed,
        "strategy": placement.strategy,
        "devices": placement.replicas,
        "backend": keras.backend.backend(),
        "deterministic": options.deterministic,
        "command": _command() if command is None else without_credentials(command),
        "versions": _versions(),
        "hardware": hardware(),
        "class_names": list(data_set.class_names),
        "images": {
            "training": data_set.training.size,
            "validation": data_set.validation.size,
            "test": data_set.test.size if data_set.test else 0,
        },
        "images_per_class": _plain(data_set.class_counts()),
        "checksums": data_set.checksums(),
        "validation_note": data_set.validation_note,
        "notes": list(data_set.notes),
    }


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
        "hardware" and the like, and under "optimization" pairs of an old and a new value.

    Raises:
        ValueError: it is another run.
    """
    missing = [name for name in ("recipe", "data", "seed") if name not in earlier]
    if missing:
        raise ValueError(f"{folder / 'run.json'} is damaged: it lacks {missing[0]}. {REMEDY}")
    before, now = (
        dict(leaves({key: run.get(key) for key in _IDENTITY})) for run in (earlier, record)
    )
    for name, place in (("data", "data_source"), (_WEIGHTS, "")):
        if _same_place(earlier.get(place, before.get(name)), record.get(place, now.get(name))):
            before[name] = now.get(name)  # spelled differently
    # Earlier versions kept macOS' form of accented letters.
    if before["class_names"] is not None:
        before["class_names"] = [
            unicodedata.normalize("NFC", name) for name in before["class_names"]
        ]
    # Fields that the earlier version did not have: it trained as their defaults say, but for near
    # duplicates, which it drew one by one.
    defaults = dict(leaves({"recipe": recipe_defaults()}))
    defaults["recipe.group_duplicates"] = False
    before = {name: defaults[name] for name in defaults if name in now} | before
    prefix = "recipe.optimization."
    changes = {}
    if change_optimization:
        changes = {
            name.removeprefix(prefix): [before.pop(name), now[name]]
            for name in list(before)
            if name.startswith(prefix) and name in now and before[name] != now[name]
        }
    differences = [
        f"the {name.partition('.')[2]} images or their classes differ"
        if name.startswith("checksums.")
        else f"{name} was {old} and is {now.get(name)}"
        for name, old in before.items()
        if old != now.get(name)
    ]
    if differences:
        raise ValueError(
            f"{folder} holds a run with other settings or data: {'; '.join(differences[:5])}. "
            "Use its original settings and data, or choose another folder with --out."
            + (
                " Only options of the optimization may change, with --change-optimization."
                if all(name.startswith(prefix) for name in before if before[name] != now.get(name))
                else ""
            )
        )
    latest = dict(earlier)
    for continuation in earlier.get("continued", ()):
        latest |= continuation
    news = {key: record[key] for key in _CIRCUMSTANCES if record[key] != latest.get(key)}
    if changes:
        news["optimization"] = changes
    if not news:
        return earlier
    continued = [*earlier.get("continued", ()), news]
    return earlier | {"recipe": record["recipe"], "continued": continued}


def _same_place(before: str | None, now: str | None) -> bool:
    """Returns whether two specifications of data, or two paths, name the same place."""
    if before is None or now is None:
        return before == now
    kind = "folder:"
    if before.startswith(kind) != now.startswith(kind):
        return False
    one, other = (
        os.path.realpath(os.path.expanduser(each.removeprefix(kind))) for each in (before, now)
    )
    return one == other


def _command() -> str:
    """Returns this process's command line, as it may be written down."""
    return shlex.join(["python", "-m", "training", *map(without_credentials, sys.argv[1:])])


def hardware() -> str:
    """Returns a description of the processors and accelerators of this computer."""
    cores = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    words = [f"{_counted(cores, 'core')}, {platform.machine()}, {platform.system()}"]
    if keras.backend.backend() != "torch":  # Keras 3.15 lists no devices of PyTorch
        kinds = [name.split(":")[0] for name in keras.distribution.list_devices()]
        words += [
            _counted(kinds.count(kind), kind.upper()) for kind in ("gpu", "tpu") if kind in kinds
        ]
    return ", ".join(words)


def _counted(count: int | None, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def recipe_defaults() -> dict:
    """Returns the defaults of a recipe's fields, as run.json has them."""
    return {
        "model": _defaults(ModelOptions),
        "optimization": _defaults(Optimization),
        "augmentation": _defaults(Augmentation),
        **_defaults(Recipe),
    }


def _defaults(form: type) -> dict:
    return {
        field.name: _plain(field.default)
        for field in dataclasses.fields(form)
        if field.default is not dataclasses.MISSING
    }


def _plain(value: Any) -> Any:
    """Turns tuples into lists, as JSON does, so that a record equals itself after reading."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (dotted name, value) for everything in nested dicts."""
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], f"{name}.{key}".strip("."))
    else:
        yield name, value
