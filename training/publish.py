"""Publishes a finished run: a small model file with a model card."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import keras

from keras_cabvit.atomic_files import atomic_folder, write_text_atomically
from keras_cabvit.data.labels import LABELS, labels_text
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.keras_statements import add_statements, keras_statements
from keras_cabvit.runtimes.run_record import read_finished_run
from training.data.opening import check_outside, check_still_there
from training.evaluate import evaluate
from training.evaluation.result import Evaluation
from training.evaluation.scored_images import data_of_run
from training.report.model_card import model_card
from training.report.page import write_report
from training.run.half_size_file import save_half_size
from training.run.metrics_csv import read_metrics_csv


def publish(
    run: str | os.PathLike,
    out: str | os.PathLike,
    description: str = "",
    data: str | None = None,
    labels: str | os.PathLike | None = None,
) -> Evaluation:
    """Writes a run's model in half the size, its labels, its scores and a model card.

    The scores are those of the written file, by default on the images that the run was scored on.

    Args:
        run: folder of a finished run.
        out: folder to write: `model.keras`, `labels.txt`, `run.json`, `metrics.csv`, `report.md`
            with its pictures, and `README.md`, the model card. It appears when it is complete.
        description: Markdown on the data and the use of the model.
        data: the images to score, as `evaluate` takes them; None takes those of the run.
        labels: table of labels for the folder that `data` names, as `evaluate` takes it.

    Returns:
        The `Evaluation` of the written file.

    Raises:
        ValueError: the run is not finished, `out` was written by something else, or it
            lies in the data of the run.
        FileNotFoundError: there is no run, or its images are gone.
    """
    run, out = local_path(run, "run"), local_path(out, "out")
    record = read_finished_run(run)
    check_outside(data or record.get("data_source") or record.get("data") or "", out)
    if data is None:
        check_still_there(data_of_run(record) or "", record.get("labels"))
    with atomic_folder(out, "published run") as partial:
        model = keras.saving.load_model(run / "model.keras", compile=False)
        save_half_size(model, partial / "model.keras")
        stated = keras_statements(run / "model.keras")
        if stated.labels and stated.crop:
            size = model.input_shape[1:3]
            add_statements(partial / "model.keras", stated.labels, size, stated.crop)
        for name in (LABELS, "run.json", "metrics.csv"):
            if (run / name).is_file():
                shutil.copyfile(run / name, partial / name)
        if not (partial / LABELS).is_file() and stated.labels:
            write_text_atomically(partial / LABELS, labels_text(stated.labels))
        metrics = partial / "metrics.csv"
        rows = read_metrics_csv(metrics) if metrics.is_file() else None
        evaluation = dataclasses.replace(
            evaluate(partial, data, labels=labels), name=out.name, path=Path("model.keras")
        )
        write_report(partial, evaluation, rows, record)
        write_text_atomically(partial / "README.md", model_card(evaluation, record, description))
        scores = dataclasses.asdict(evaluation.as_row())
        write_text_atomically(partial / "scores.json", json.dumps(scores, indent=2) + "\n")
    return evaluation
