"""The images that a saved model is scored on."""

import os
from dataclasses import dataclass

from training.data.data_set import DataSet
from training.data.image_list import with_validation, with_validation_of
from training.data.joined_split import JoinedSplit
from training.data.opening import check_still_there, open_data_set, place_of_run, same_place
from training.data.split import Split
from training.recipes.recipe import Recipe

SPLITS = ("test", "validation", "training", "all")


@dataclass(frozen=True)
class Scored:
    """The images that are scored.

    Attributes:
        data_set: `DataSet`.
        split: `Split`, the one that is scored.
        split_name: its name, of `SPLITS`.
        note: sentences on the images.
        are_test_of_run: whether they are the test images that the run itself was scored on.
        are_scored_of_run: whether the run itself was scored on them: on its test images or, without
            any, on its validation images.
        spec: `DataSet`, or its name as `open_data_set` takes it.
        labels: table of labels that belongs to `spec`, or None.
    """

    data_set: DataSet
    split: Split
    split_name: str
    note: str
    are_test_of_run: bool
    are_scored_of_run: bool
    spec: DataSet | str
    labels: str | os.PathLike | None

    def role_in_training(self, run: dict) -> list[str]:
        """Returns sentences on the role of the images in the making of another run's model.

        Args:
            run: dict, the run.json of that run.

        Raises:
            ValueError: as `scored_images`.
        """
        changed = _changed(self.spec, self.data_set, run, self.labels)
        return _role_in_training(self.split_name, self.data_set, run, changed)


def scored_images(
    data: DataSet | str | None,
    split: str,
    run: dict | None,
    labels: str | os.PathLike | None = None,
) -> Scored:
    """Finds the images to score.

    Args:
        data: `DataSet`, or its name as `open_data_set` takes it; None takes the data of the run.
        split: "test", "validation", "training", or "all" for these together. If the data has
            no test images, "test" falls back to the validation images, and the note says so.
        run: dict, the run.json of the run that the model comes from, or None. Its seed and share
            reproduce its validation split.
        labels: table of labels for the folder that `data` names. The data of the run has its own.

    Returns:
        `Scored`.

    Raises:
        ValueError: `split` is none of these; no data is known; or the run's data has
            changed, so that its validation and training images cannot be told apart.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {', '.join(SPLITS)}. Received: split={split!r}")
    run = run or {}
    if labels is not None and not isinstance(data, str):
        raise ValueError("A table of labels needs the folder of its images: give data too.")
    spec = data or data_of_run(run)
    if spec is None:
        raise ValueError(
            'Say which data to evaluate on, such as data="folder:PATH": only a run knows its own.'
        )
    if data is None:
        labels = run.get("labels")
    if data is None and isinstance(spec, str):
        check_still_there(spec, labels)
    data_set = spec if isinstance(spec, DataSet) else _opened(spec, run, labels)
    scored, images, note = _chosen_split(data_set, split)
    changed = _changed(spec, data_set, run, labels)
    role = _role_in_training(scored, data_set, run, changed)
    are_of_run = changed is not None and not changed
    return Scored(
        data_set,
        images,
        scored,
        " ".join([note, *role]),
        are_test_of_run=are_of_run and scored == "test",
        are_scored_of_run=are_of_run and split == "test",
        spec=spec,
        labels=labels,
    )


def _opened(spec: str, run: dict, labels: str | os.PathLike | None) -> DataSet:
    """Opens data, with the validation images of the run where it is the run's data."""
    recipe = run.get("recipe") or {}
    data_set = open_data_set(
        spec,
        recipe.get("validation_share", Recipe.validation_share),
        run.get("split_seed", 0),
        to_train=False,
        # Earlier runs drew their validation images one by one, and without a run none are repeated.
        group_duplicates=recipe.get("group_duplicates", False),
        labels=labels,
    )
    if isinstance(run.get("validation_images"), list) and _is_data_of(run, spec, data_set):
        note = run.get("validation_note") or ""
        return with_validation(data_set, run["validation_images"], note)
    # The folder may have been moved.
    return with_validation_of(run, data_set) or data_set


def _chosen_split(data_set: DataSet, asked: str) -> tuple[str, Split, str]:
    """Returns the name of the split that is scored, its images, and sentences on them."""
    notes, split = [], asked
    if asked == "test" and data_set.test is None:
        notes.append(f"{data_set.name} has no test images of its own.")
        split = "validation"
    if split == "all":
        parts = (data_set.training, data_set.validation, data_set.test)
        images: Split = JoinedSplit([part for part in parts if part is not None])
        notes.append(f"All {images.size:,} images of {data_set.name} were scored.")
    else:
        images = getattr(data_set, split)
        notes.append(f"The {images.size:,} {split} images of {data_set.name} were scored.")
    if split == "validation":
        notes.append(data_set.validation_note)
    return split, images, " ".join(notes)


def _changed(
    data: DataSet | str, data_set: DataSet, run: dict, labels: str | os.PathLike | None
) -> set[str] | None:
    """Returns the names of the splits that differ from the run's; None for other data."""
    of_run = run.get("labels")
    same_labels = (labels and os.path.realpath(labels)) == (of_run and os.path.realpath(of_run))
    named_alike = isinstance(data, DataSet) or (_is_data_of(run, data, data_set) and same_labels)
    if not run or not (named_alike or run.get("checksums")):
        return None
    checksums = data_set.checksums()
    before = run.get("checksums") or checksums  # a run of an earlier version has none
    changed = {name for name in {*before, *checksums} if before.get(name) != checksums.get(name)}
    if not changed or (named_alike and not isinstance(data, DataSet)):
        return changed
    return None


def data_of_run(run: dict) -> str | None:
    """Returns the data of a run: its name, or the full path of a folder that is elsewhere now."""
    name, place = run.get("data"), place_of_run(run)
    return name if place is None or same_place(name, place) else place


def _is_data_of(run: dict, spec: str, data_set: DataSet) -> bool:
    """Returns whether data is that of a run, by its name or as the same folder."""
    return spec == run.get("data") or (
        bool(data_set.source) and data_set.source == run.get("data_source")
    )


def _role_in_training(
    split: str, data_set: DataSet, run: dict, changed: set[str] | None
) -> list[str]:
    """Returns sentences on the role of the scored images in the making of the model."""
    # The record of a pushed run names no data.
    if not run or (changed is None and run.get("data") is None):
        if split == "test":
            return []
        return ["It is unknown whether this model was trained on some of them."]
    if changed is None:
        return [f"The model was trained on other data: {run.get('data')}."]
    if split == "validation" and {"training", "validation"} <= changed:
        raise ValueError(
            f"The images of {data_set.name} are not those that the model was trained with: some "
            "were added, removed or given another class, or others were held out. So the images it "
            "was not trained on are unknown. Restore the original images, or score others with "
            "--data."
        )
    sentences = {
        "test": [],
        "validation": ["The model was not trained on them.", choices_on_validation(run)],
        "training": ["The model was trained on them: these scores say little about other images."],
        "all": [
            "The model was trained on most of them: these scores say little about other images."
        ],
    }[split]
    if split in changed:
        sentences.append("Some were added, removed or given another class since then.")
    return sentences


def choices_on_validation(run: dict) -> str:
    """Returns a sentence on the influence that a run's validation images had on its model."""
    better = "the scores are better than they would be on images that had no influence on the model"
    recipe = run.get("recipe") or {}
    # What an extended run starts from may have been chosen on the same images.
    if recipe.get("select") == "last" and recipe.get("patience") is None and not run.get("extends"):
        return (
            "Its weights are those of the last epoch and were not chosen on them; if its settings "
            f"were, by comparing runs, {better}."
        )
    return f"Choices were made on them, so {better}."
