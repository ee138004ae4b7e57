"""The predictions of a model, a row per image, as a CSV file."""

from pathlib import Path

from keras_cabvit.atomic_files import write_text_atomically
from training.evaluation.csv_table import csv_text
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
    rows = []
    images = zip(
        evaluation.names,
        evaluation.labels,
        evaluation.predicted,
        evaluation.probabilities,
        strict=True,
    )
    for name, label, predicted, probabilities in images:
        numbers = [f"{float(value):.6g}" for value in probabilities]
        rows.append([name, names[label], names[predicted], numbers[predicted], *numbers])
    rows += [[name, *[""] * (3 + len(names))] for name in evaluation.broken_names]
    write_text_atomically(path, csv_text(header, rows))
