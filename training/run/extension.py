"""A finished run as the start of another, on its data or on a folder that has changed since."""

import dataclasses
import os
from collections import Counter

import numpy as np

from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.run_record import read_run
from training.data.data_set import DataSet
from training.data.image_list import ImageList, image_list, read_image_list, with_validation
from training.data.stratified import held_out
from training.recipes.recipe import Recipe
from training.report.markdown import table


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
    """

    recipe: Recipe
    data_set: DataSet
    record: dict
    text: str


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
            needed.

    Raises:
        ValueError: there is no finished run, or its training images are not known.
    """
    folder = local_path(source, "extend").resolve()
    model = dataclasses.replace(recipe.model, initial_weights=str(folder / "model.keras"))
    recipe = dataclasses.replace(recipe, model=model)
    if own is not None and own.get("extends"):
        record = {name: own[name] for name in ("extends", "validation_images") if name in own}
        if "validation_images" in record:
            data_set = with_validation(
                data_set, record["validation_images"], own.get("validation_note") or ""
            )
        return Extension(recipe, data_set, record, "")
    run = read_run(folder)
    if run is None or not run.get("finished") or not (folder / "model.keras").is_file():
        raise ValueError(
            f"`extend` must be the folder of a finished run, with run.json and model.keras. "
            f"Received: {folder}."
            + (
                f" That run is not finished; this command resumes it: {run.get('command')}"
                if run and not run.get("finished")
                else ""
            )
        )
    record = {"extends": {"run": str(folder), "epoch": run.get("epoch"), "added": 0, "removed": 0}}
    epochs = f"{run.get('epoch')} of {run['recipe'].get('epochs')} epochs"
    text = f"Extending {folder}, trained for {epochs}: its model starts a new schedule."
    if _same(run, data_set):
        return Extension(recipe, data_set, record, f"{text}\nThe images are the same.")
    before, now = read_image_list(folder), image_list(data_set)
    if before is None or now is None:
        raise ValueError(
            f"The images are not those of {folder}, which keeps no list of them: validation images "
            "could be among those that it was trained on. Train anew with its recipe (--config "
            f"{folder}), or restore its images."
        )
    changes = _changes(before, now)
    record["extends"] |= {
        "added": sum(changes.added.values()),
        "removed": sum(changes.removed.values()),
    }
    text = f"{text}\n{changes.text()}"
    learned = before["training"].keys() & now["validation"].keys()
    if learned or before["validation"].keys() & now["training"].keys():
        names, note = _validation(before, now, recipe.validation_share, seed)
        data_set = with_validation(data_set, names, note)
        record["validation_images"] = sorted(names)
    return Extension(recipe, data_set, record, text)


@dataclasses.dataclass(frozen=True)
class _Changes:
    """Numbers of images by class, of training and validation together."""

    added: Counter
    removed: Counter
    now: Counter

    def text(self) -> str:
        """Returns the changes as text."""
        names = sorted(self.added.keys() | self.removed.keys())
        if not names:
            return "The images have the same names as then, and other contents or splits."
        rows = [
            [name, f"{self.added[name]:,}", f"{self.removed[name]:,}", f"{self.now[name]:,}"]
            for name in names
        ]
        title = "Training and validation images since then, by their names:"
        return f"{title}\n\n{table(['class', 'added', 'removed', 'now'], rows)}\n"


def _changes(before: ImageList, now: ImageList) -> _Changes:
    old, new = (each["training"] | each["validation"] for each in (before, now))
    return _Changes(
        Counter(label for name, label in new.items() if name not in old),
        Counter(label for name, label in old.items() if name not in new),
        Counter(new.values()),
    )


def _validation(
    before: ImageList, now: ImageList, share: float, seed: int
) -> tuple[list[str], str]:
    """Returns the names of the validation images, and a sentence on them."""
    pool = now["training"] | now["validation"]
    kept = [name for name in pool if name in before["validation"]]
    new = sorted(name for name in pool if name not in before["validation"] | before["training"])
    drawn: list[str] = []
    if new:
        _, labels = np.unique([pool[name] for name in new], return_inverse=True)
        mask = held_out(labels, share, seed)
        drawn = [name for name, held in zip(new, mask, strict=True) if held]
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


def _same(run: dict, data_set: DataSet) -> bool:
    """Returns whether training and validation images are those of a run."""
    before, now = run.get("checksums", {}), data_set.checksums()
    return all(before.get(name) == now[name] for name in ("training", "validation"))
