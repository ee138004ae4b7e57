"""The table, before the first step, of what was understood of the data."""

import statistics

from keras_cabvit.data.listed import listed
from keras_cabvit.figures.names import without_controls
from training.data.data_set import DataSet
from training.report.markdown import table

# More classes are summarised.
_MOST_CLASSES = 30
_SMALLEST = 5
# With fewer training images a class is learned from a handful of views.
_FEW = 20


def data_overview(data_set: DataSet) -> str:
    """Returns the splits, classes and images of a data set, and what was left out, as text.

    Up to 30 classes have a row each. Of more, the fewest, median and most images are given, and the
    smallest classes by name.

    Args:
        data_set: `DataSet`.
    """
    sizes = {name: split.size for name, split in data_set.splits().items()}
    counts = {
        name: of_split
        for name, of_split in data_set.class_counts().items()
        if of_split is not None and len(of_split) == len(data_set.class_names)
    }
    names, classes = data_set.class_names, len(data_set.class_names)
    header = ["class" if classes <= _MOST_CLASSES else "images per class", *sizes]

    def row(title: str, values: dict[str, float]) -> list[str]:
        return [title, *(_number(values[name]) if name in values else "-" for name in sizes)]

    rows: list[list[str]] = []
    smallest = ""
    if counts and classes <= _MOST_CLASSES:
        rows = [
            row(without_controls(class_name), {name: counts[name][index] for name in counts})
            for index, class_name in enumerate(names)
        ]
    elif counts:
        rows = [
            row(title, {name: function(counts[name]) for name in counts})
            for title, function in (
                ("fewest", min),
                ("median", statistics.median),
                ("most", max),
            )
        ]
        of_training = counts.get("training", next(iter(counts.values())))
        order = sorted(range(classes), key=of_training.__getitem__)[:_SMALLEST]
        smallest = "The smallest classes: " + ", ".join(
            f"{without_controls(names[index])} ({of_training[index]:,})" for index in order
        )
    rows.append([f"all {classes:,} classes", *(f"{size:,}" for size in sizes.values())])
    lines = [f"Data: {data_set.name}", "", table(header, rows), ""]
    if smallest:
        lines += [f"{smallest}.", ""]
    if "training" in counts:
        lines += _few_images(data_set.class_names, counts["training"])
    lines += filter(None, [data_set.image_sizes.sentence()])
    lines.append(data_set.validation_note)
    if data_set.test is None:
        lines.append("There are no test images: the final scores are of the validation images.")
    if data_set.left_out:
        left = [
            [left.title, f"{len(left.names):,}", _examples(left.names), left.reason]
            for left in data_set.left_out
        ]
        lines += ["", table(["not read", "count", "such as", "reason"], left, text_columns=4)]
    told = [*data_set.notes, *data_set.duplicates.sentences()]
    if data_set.left_out and told:
        lines.append("")
    return "\n".join([*lines, *told]) + "\n"


def _few_images(names: tuple[str, ...], counts: tuple[int, ...]) -> list[str]:
    """Returns a sentence on classes that have few training images; none if there are none."""
    few = sorted((count, name) for name, count in zip(names, counts, strict=True) if count < _FEW)
    if not few:
        return []
    named = listed((f"{without_controls(name)} ({count:,})" for count, name in few), _SMALLEST)
    return [
        f"Fewer than {_FEW} training images: {named}. Expect more mistakes there, and scores that "
        "vary by chance; more photographs of these help most.",
        "",
    ]


def _number(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def _examples(names: tuple[str, ...]) -> str:
    return ", ".join(map(without_controls, names[:2])) + (", ..." if len(names) > 2 else "")
