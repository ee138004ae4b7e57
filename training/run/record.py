"""run.json: what a run was started with, and where."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from pathlib import Path

import keras

_PACKAGES = (
    "keras-cabvit",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "tensorflow-datasets",
)
# How and where it is trained, which may change when it goes on.
_CIRCUMSTANCES = ("strategy", "devices", "backend", "deterministic", "versions", "hardware")
# Another value of these would be another run, not the same one going on.
_IDENTITY = ("recipe", "data", "seed", "split_seed", "class_names", "images", "checksums")


def run_record(recipe, options, placement, data_set, command):
    """Returns what run.json says about a run that begins.

    Args:
        recipe: `Recipe`.
        options: `TrainOptions`.
        placement: `Placement`.
        data_set: `DataSet`.
        command: string, how the run was started; None means this process's own command line.

    Returns:
        A dict that JSON can hold.
    """
    return {
        "recipe": _plain(dataclasses.asdict(recipe)),
        "data": options.data,
        "seed": options.seed,
        "split_seed": options.split_seed,
        "strategy": placement.strategy,
        "devices": placement.replicas,
        "backend": keras.backend.backend(),
        "deterministic": options.deterministic,
        "command": command or shlex.join(["python", "-m", "training", *sys.argv[1:]]),
        "versions": _versions(),
        "hardware": hardware(),
        "class_names": list(data_set.class_names),
        "images": {
            "training": data_set.training.size,
            "validation": data_set.validation.size,
            "test": data_set.test.size if data_set.test else 0,
        },
        "checksums": data_set.checksums(),
        "validation_note": data_set.validation_note,
        "notes": list(data_set.notes),
    }


def read_run(folder):
    """Returns the content of a folder's run.json, or None where there is none.

    Raises:
        ValueError: it is damaged.
    """
    path = Path(folder) / "run.json"
    if not path.is_file():
        return None
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: it is not valid JSON ({error}).") from error
    if not isinstance(run, dict):
        raise ValueError(f"{path} is damaged: it must hold a JSON object.")
    return run


def continued_record(earlier, record, folder, change_optimization=False):
    """Returns the run.json of a run that goes on.

    Args:
        earlier: dict, the folder's run.json.
        record: dict, of the run that is started.
        folder: path, for the message.
        change_optimization: whether the recipe's `optimization` may be another one.

    Returns:
        `earlier`, in which "continued" lists what changed when the run went on: new values of
        "hardware" and the like, and under "optimization" pairs of an old and a new value.

    Raises:
        ValueError: it is another run.
    """
    before, now = (
        dict(_leaves({key: run.get(key) for key in _IDENTITY})) for run in (earlier, record)
    )
    prefix = "recipe.optimization."
    changes = {}
    if change_optimization:
        changes = {
            name.removeprefix(prefix): [before.pop(name), now[name]]
            for name in list(before)
            if name.startswith(prefix) and name in now and before[name] != now[name]
        }
    differences = [
        f"the {name.partition('.')[2]} images or their classes are others"
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
                " Options of the optimization alone may change, with --change-optimization."
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


def hardware():
    """Returns in words what this computer computes with."""
    cores = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    words = [f"{cores} cores, {platform.machine()}, {platform.system()}"]
    if keras.backend.backend() != "torch":  # Keras 3.15 lists no devices of PyTorch
        kinds = [name.split(":")[0] for name in keras.distribution.list_devices()]
        words += [
            f"{kinds.count(kind)} {kind.upper()}s" for kind in ("gpu", "tpu") if kind in kinds
        ]
    return ", ".join(words)


def _versions():
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _plain(value):
    """Turns tuples into lists, as JSON would, so that a record equals itself when read again."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _leaves(value, name=""):
    """Yields (dotted name, value) of everything in nested dicts."""
    if isinstance(value, dict):
        for key in value:
            yield from _leaves(value[key], f"{name}.{key}".strip("."))
    else:
        yield name, value
