"""The scores of several models, as a table."""

from collections.abc import Sequence

from training.evaluation.model_score import ModelScore
from training.report.markdown import escaped, percent, table

_COLUMNS = {
    "model": lambda row: escaped(row.model),
    "form": lambda row: row.form,
    "top-1": lambda row: percent(row.top1, row.images),
    "balanced": lambda row: percent(row.balanced_accuracy, row.images),
    "top-5": lambda row: percent(row.top5, row.images),
    "cross-entropy": lambda row: f"{row.cross_entropy:.4f}",
    "calibration error": lambda row: percent(row.calibration_error, row.images),
    "size": lambda row: f"{row.size / 1e6:.2f} MB",
    "latency, one image": lambda row: f"{1000 * row.latency:.2f} ms",
    "same class as the first": lambda row: percent(row.agreement, row.images),
}


def score_table(rows: Sequence[ModelScore], columns: Sequence[str] = tuple(_COLUMNS)) -> str:
    """Returns scores as a Markdown table that also reads well in a terminal.

    Args:
        rows: list of `ModelScore`.
        columns: names of the columns; all by default. Meaningless ones are left out: "top-5" with
            five classes or fewer, and the agreement of a single model.
    """
    silent = {
        "top-5": all(row.top5 is None for row in rows),
        "balanced": all(row.balanced_accuracy is None for row in rows),
        "same class as the first": all(row.agreement is None for row in rows),
    }
    columns = [name for name in columns if not silent.get(name)]
    text_columns = sum(name in ("model", "form") for name in columns)
    return table(columns, [[_COLUMNS[name](row) for name in columns] for row in rows], text_columns)
