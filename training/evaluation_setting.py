"""Which images a saved model is scored on, and how they are cut."""

from dataclasses import dataclass

from keras_cabvit.data import evaluation_crop
from training.data.data_set import DataSet, open_data_set
from training.data.split import Split
from training.predictions import class_counts_differ
from training.recipes.recipe import Recipe

SPLITS = ("test", "validation", "training")


@dataclass(frozen=True)
class Scored:
    """The images that are scored.

    Attributes:
        data_set: `DataSet`.
        split: `Split`, the one that is scored.
        note: sentences that say which images these are.
    """

    data_set: DataSet
    split: Split
    note: str


def scored_images(data, split, run):
    """Finds the images to score.

    Args:
        data: `DataSet`, or what `open_data_set` takes; None takes the data of the run.
        split: "test", "validation" or "training". Without test images of the data's own, "test"
            falls back to the validation images, and the note says so.
        run: dict, the run.json of the run that the model comes from, or None. Its seed and share
            make its own validation split again.

    Returns:
        `Scored`.

    Raises:
        ValueError: `split` is none of these, or nothing says which data.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {', '.join(SPLITS)}. Received: split={split!r}")
    run = run or {}
    data = data or run.get("data")
    if data is None:
        raise ValueError(
            'Say which data to evaluate on, such as data="folder:PATH": only a run knows its own.'
        )
    if isinstance(data, DataSet):
        data_set = data
    else:
        share = run.get("recipe", {}).get("validation_share", Recipe.validation_share)
        data_set = open_data_set(data, share, run.get("split_seed", 0))

    notes = []
    if split == "test" and data_set.test is None:
        notes.append(f"{data_set.name} has no test images of its own.")
        split = "validation"
    images = getattr(data_set, split)
    notes.append(f"The {images.size:,} {split} images of {data_set.name} were scored.")
    if split == "validation":
        notes.append(data_set.validation_note)
        notes.append(
            "Choices were made on the validation images, so the scores are better than they would "
            "be on images that had no part in anything."
            if run
            else "Nothing here says whether this model was trained on some of them."
        )
    if split == "training":
        notes.append("The model was trained on them: these scores say little about other images.")
    return Scored(data_set, images, " ".join(notes))


def size_and_crop(model, image_size=None, crop=None, others=()):
    """Returns how images are made for a model.

    Args:
        model: `OpenedModel`.
        image_size: (height, width), or None for the model's own.
        crop: side of the centre crop as a share of the image; None for the run's.
        others: further `OpenedModel`s, whose crop counts where the model's is unknown.

    Returns:
        (height, width), the crop, and a list of sentences about what was assumed.

    Raises:
        ValueError: the model takes another size, or any, and none is given.
    """
    size = model.image_size or image_size
    if size is None:
        raise ValueError(f"{model.path} takes images of any size: say which with `image_size`.")
    size = tuple(size)
    if image_size is not None and tuple(image_size) != size:
        raise ValueError(
            f"`image_size` must be {size[0]}x{size[1]}, which is what {model.path} takes. "
            f"Received: {image_size[0]}x{image_size[1]}"
        )
    known = [crop, *(opened.evaluation_crop for opened in (model, *others))]
    known = [value for value in known if value is not None]
    if known:
        return size, known[0], []
    crop = evaluation_crop(size)
    how = (
        "the whole images were resized"
        if crop == 1
        else f"the centre, {crop:.1%} of a side, was cut out"
    )
    return size, crop, [f"No run.json beside {model.path} says how images are cut: {how}."]


def columns_for(model, class_names):
    """Returns where the model has each of the data's classes, and sentences about it.

    Classes that have the same names in another order are matched by name, others by position.

    Args:
        model: `OpenedModel`.
        class_names: tuple of strings, the data's.

    Returns:
        A list of integers, or None for the same order; and a list of sentences.

    Raises:
        ValueError: the model has another number of classes.
    """
    classes = model.classes or len(model.class_names or class_names)
    if classes != len(class_names):
        raise ValueError(f"{model.path}: {class_counts_differ(classes, len(class_names))}")
    own = model.class_names
    if own is None or own == tuple(class_names):
        return None, []
    if sorted(own) == sorted(class_names) and len(set(own)) == len(own):
        return [own.index(name) for name in class_names], [
            f"{model.name} has its classes in another order than the data: they were matched by "
            "name."
        ]
    mine, theirs = next(pair for pair in zip(own, class_names, strict=True) if pair[0] != pair[1])
    return None, [
        f'{model.name} names its classes otherwise than the data ("{mine}" where the data has '
        f'"{theirs}"): they were matched by position.'
    ]
