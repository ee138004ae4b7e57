"""A finished run as the start of another, on its data or on a folder that has changed since."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from keras_cabvit.data.listed import listed
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.run_record import read_run
from training.data.data_set import DataSet
from training.data.duplicates import Duplicates
from training.data.image_list import (
    ImageList,
    has_images_of,
    image_digests,
    image_list,
    read_image_list,
    with_validation,
    with_validation_of,
)
from training.data.stratified import held_out
from training.recipes.recipe import Recipe
from training.run.image_changes import ImageChanges
from training.run.known_images import KnownImages


@dataclasses.dataclass(frozen=True, eq=False)
class Extension:
    """A run that starts from the model of a finished one.

    Attributes:
        recipe: `Recipe`, whose initial weights are those of the finished run.
        data_set: `DataSet`, in which no image that the finished run was trained on is a validation
            image.
        record: dict, what run.json says of it: "extends", and "validation_images" if they were
            chosen here.
        text: string, what has changed.
        earlier: dict with the classes of images that the finished run has learned and that are no
            longer training images, for `write_image_list`.
    """

    recipe: Recipe
    data_set: DataSet
    record: dict = dataclasses.field(default_factory=dict)
    text: str = ""
    earlier: dict[str, str] = dataclasses.field(default_factory=dict)


def extension(
    source: str | os.PathLike, recipe: Recipe, data_set: DataSet, seed: int, own: dict | None
) -> Extension:
    """Prepares a run that starts from the model of a finished one, with a schedule of its own.

    Images that the finished run held out stay held out, and of the new ones the recipe's share is:
    otherwise the held-out images would be drawn anew, among those that the model has learned.

    Args:
        source: folder of the finished run.
        recipe: `Recipe`.
        data_set: `DataSet`, as it is now.
        seed: integer, the seed of the draw among new images.
        own: dict, the run.json of the extension itself if it is resumed; `source` is then no longer
            needed, and may have been moved or removed.

    Raises:
        ValueError: there is no finished run, or its training images are not known.
    """
    folder = local_path(source, "extend").resolve()
    if own is not None and own.get("extends"):
        return _resumed(own, recipe, data_set, folder)
    run = _finished_run(folder)
    recipe = _starting_from(recipe, folder)
    record = {"extends": {"run": str(folder), "epoch": run.get("epoch"), "added": 0, "removed": 0}}
    epochs = f"{run.get('epoch')} of {run['recipe'].get('epochs')} epochs"
    text = f"Extending {folder}, trained for {epochs}: its model starts a new schedule."
    chosen = with_validation_of(run, data_set)
    if chosen is not None:
        data_set = chosen
        record["validation_images"] = run["validation_images"]
    start = Extension(recipe, data_set, record, text)
    before, now = read_image_list(folder), image_list(data_set)
    same = has_images_of(run, data_set)
    if before is None or now is None:
        if same:
            return _unchanged(start, {})
        raise ValueError(
            f"The images are not those of {folder}, which keeps no list of them: validation images "
            "could be among those that it was trained on. Train anew with its recipe (--config "
            f"{folder}), or restore its images."
        )
    digests = image_digests(data_set)
    known = KnownImages(before, digests)
    if same and known.has_contents_of(now):
        return _unchanged(start, known.learned_without(now["training"]))
    _check_test(known, now, digests, folder)
    return _changed(start, ImageChanges.between(before, now, known), known, now, seed)


def _resumed(own: dict, recipe: Recipe, data_set: DataSet, folder: Path) -> Extension:
    """Returns an extension as it began; `own` is its run.json, `folder` the run that it extends."""
    extended = Path(own["extends"].get("run") or folder)
    if extended.is_dir():  # otherwise that run was moved to `folder`, and is the same
        extended = folder
    record = {name: own[name] for name in ("extends", "validation_images") if name in own}
    if "validation_images" in record:
        note = own.get("validation_note") or ""
        data_set = with_validation(data_set, record["validation_images"], note)
    return Extension(_starting_from(recipe, extended), data_set, record)


def _unchanged(start: Extension, earlier: dict[str, str]) -> Extension:
    """Returns the extension of a run on the same images."""
    text = f"{start.text}\nThe images are the same."
    return dataclasses.replace(start, text=text, earlier=earlier)


def _changed(
    start: Extension, changes: ImageChanges, known: KnownImages, now: ImageList, seed: int
) -> Extension:
    """Returns the extension of a run on images that have changed since."""
    record, data_set = dict(start.record), start.data_set
    record["extends"] = record["extends"] | {
        "added": sum(changes.added.values()),
        "removed": sum(changes.removed.values()),
    }
    if any(map(known.is_learned, now["validation"])) or any(map(known.is_held, now["training"])):
        share = start.recipe.validation_share
        names, note = _validation(known, now, data_set.duplicates, share, seed)
        data_set = with_validation(data_set, names, note)
        record["validation_images"] = sorted(names)
        now = image_list(data_set) or now
    text = f"{start.text}\n{changes.text()}"
    return Extension(start.recipe, data_set, record, text, known.learned_without(now["training"]))


def _starting_from(recipe: Recipe, folder: Path) -> Recipe:
    """Returns a recipe whose initial weights are those of a run."""
    model = dataclasses.replace(recipe.model, initial_weights=str(folder / "model.keras"))
    return dataclasses.replace(recipe, model=model)


def _finished_run(folder: Path) -> dict:
    """Returns the run.json of a finished run."""
    run = read_run(folder)
    if run is not None and run.get("finished") and (folder / "model.keras").is_file():
        return run
    sentence = (
        "`extend` must be the folder of a finished run, with run.json and model.keras. "
        f"Received: {folder}."
    )
    if run and not run.get("finished") and run.get("command"):
        sentence += f" That run is not finished; this command resumes it: {run.get('command')}"
    raise ValueError(sentence)


def _check_test(known: KnownImages, now: ImageList, digests: dict[str, str], folder: Path) -> None:
    """Raises ValueError if test images are images that the finished run was trained on.

    A copy of a training image that is still one is named among the near duplicates.
    """
    pool = {digests.get(name) for part in ("training", "validation") for name in now[part]} - {None}
    moved = [
        name
        for name in now.get("test", {})
        if known.is_learned(name) and digests.get(name) not in pool
    ]
    if moved:
        raise ValueError(
            f"{len(moved):,} of the {len(now['test']):,} test images are images that {folder} was "
            f"trained on, so that the score would say little about others: {listed(moved, 3)}. "
            f"Move them back to the training images, or train anew with its recipe (--config "
            f"{folder})."
        )


def _validation(
    known: KnownImages, now: ImageList, duplicates: Duplicates, share: float, seed: int
) -> tuple[list[str], str]:
    """Returns the names of the validation images, and a sentence on them.

    New images that are near duplicates of known ones stay with them: a burst may have gone on.
    """
    pool = now["training"] | now["validation"]
    kept = [name for name in pool if known.is_held(name)]
    learned = {name for name in pool if known.is_learned(name)}
    group_of = {
        each.name: number for number, group in enumerate(duplicates.groups) for each in group
    }
    beside_learned = {group_of[name] for name in learned & group_of.keys()}
    beside_kept = {group_of[name] for name in kept if name in group_of} - beside_learned
    new = sorted(pool.keys() - learned - set(kept))
    drawn = [name for name in new if group_of.get(name) in beside_kept]
    free = [name for name in new if group_of.get(name) not in beside_kept | beside_learned]
    if free:
        _, labels = np.unique([pool[name] for name in free], return_inverse=True)
        groups = [group_of.get(name, -1 - number) for number, name in enumerate(free)]
        mask = held_out(labels, share, seed, np.array(groups))
        drawn += [name for name, held in zip(free, mask, strict=True) if held]
    if not kept and not drawn:
        raise ValueError(
            "No image is left for validation: all that were held out are removed, and the new ones "
            "are too few. Add images, or a folder val/."
        )
    note = (
        f"The {len(kept) + len(drawn):,} validation images are the {len(kept):,} that the extended "
        f"run held out, and {len(drawn):,} drawn from {len(new):,} new images, evenly by class, "
        f"with seed {seed}."
    )
    return kept + drawn, note
