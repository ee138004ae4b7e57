"""The scores of several models, as a table."""

from dataclasses import dataclass

from training.report.markdown import escaped, percent, table


@dataclass(frozen=True)
class ModelScore:
    """How one of several models did.

    Attributes:
        model: its name.
        form: "Keras", "SavedModel" or "TFLite", or what the caller calls it.
        images: how many were scored.
        top1: share of the images whose most probable class is the right one.
        top5: share whose class is among the five most probable; None with five classes or fewer.
        cross_entropy: in nats.
        calibration_error: expected calibration error, 0 to 1.
        size: bytes on disk.
        latency: median seconds for one image.
        agreement: share of the images that get the same class from the first of several models.
    """

    model: str
    form: str
    images: int
    top1: float
    top5: float | None
    cross_entropy: float
    calibration_error: float
    size: int
    latency: float
    agreement: float | None = None


def score_row(model, form, scores, size, latency, agreement=None):
    """Returns the `ModelScore` of a model.

    Args:
        model: its name.
        form: of the model.
        scores: `training.evaluation.metrics.Scores`.
        size: bytes on disk.
        latency: median seconds for one image.
        agreement: share of the images that get the same class from the first of several models.
    """
    return ModelScore(
        model=model,
        form=form,
        images=scores.images,
        top1=scores.top1,
        top5=scores.top5 if scores.classes > 5 else None,
        cross_entropy=scores.cross_entropy,
        calibration_error=scores.calibration_error,
        size=size,
        latency=latency,
        agreement=agreement,
    )


_COLUMNS = {
    "model": lambda row: escaped(row.model),
    "form": lambda row: row.form,
    "top-1": lambda row: percent(row.top1, row.images),
    "top-5": lambda row: percent(row.top5, row.images),
    "cross-entropy": lambda row: f"{row.cross_entropy:.4f}",
    "calibration error": lambda row: percent(row.calibration_error, row.images),
    "size": lambda row: f"{row.size / 1e6:.2f} MB",
    "latency, one image": lambda row: f"{1000 * row.latency:.2f} ms",
    "same class as the first": lambda row: percent(row.agreement, row.images),
}


def score_table(rows, columns=tuple(_COLUMNS)):
    """Returns scores as a Markdown table, which also reads well in a terminal.

    Args:
        rows: list of `ModelScore`.
        columns: names of the columns; all by default. Those that say nothing are left out: "top-5"
            with five classes or fewer, and the agreement of a single model.
    """
    silent = {
        "top-5": rows[0].top5 is None,
        "same class as the first": rows[0].agreement is None,
    }
    columns = [name for name in columns if not silent.get(name)]
    text_columns = sum(name in ("model", "form") for name in columns)
    return table(columns, [[_COLUMNS[name](row) for name in columns] for row in rows], text_columns)
