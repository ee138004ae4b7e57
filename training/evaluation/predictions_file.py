"""The predictions of a model, a row per image, as a CSV file."""

from pathlib import Path

from keras_cabvit.atomic_files import atomic_path
from keras_cabvit.csv_row import csv_row
from training.evaluation.result import Evaluation


def write_predictions(evaluation: Evaluation, path: Path) -> None:
    """Writes a CSV file with a row per image, in the order of the images.

    Columns: `file`, the image's name; `class`, its own class; `predicted`, the most probable class;
    `probability`, of that class; and for every class `p(NAME)`, its probability. Images that cannot
    be read come last, with only their names.

    Args:
        evaluation: `Evaluation`.
        path: path of the file. An existing one is replaced when the new one is complete.
    """
    names = evaluation.class_names
    header = ["file", "class", "predicted", "probability", *(f"p({name})" for name in names)]
    images = zip(
        evaluation.names,
        evaluation.labels,
        evaluation.predicted,
        evaluation.probabilities,
        strict=True,
    )
    # Row by row: as text, the probabilities of many images and classes are many gigabytes.
    with (
        atomic_path(path) as partial,
        partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        file.write(csv_row(header))
        for name, label, predicted, probabilities in images:
            numbers = [f"{float(value):.6g}" for value in probabilities]
            row = [name, names[label], names[predicted], numbers[predicted], *numbers]
            file.write(csv_row(row))
        for name in evaluation.broken_names:
            file.write(csv_row([name, *[""] * (3 + len(names))]))
