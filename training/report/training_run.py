"""The sections about the training of the model."""

from typing import Any

from training.evaluation.result import Evaluation
from training.recipes.dotted import leaves
from training.report.markdown import escaped, table


def curves(history: list[dict], run: dict) -> str:
    """Returns the section about training."""
    lines = ["## Training", "![Loss, top-1 and learning rate by epoch](curves.png)"]
    known = [row for row in history if row.get("val_top1") is not None]
    said = ["1 epoch was trained." if len(history) == 1 else f"{len(history)} epochs were trained."]
    if known:
        best = max(known, key=lambda row: (row["val_top1"], -row["epoch"]))
        said.append(
            f"The best top-1 on the validation images was {100 * best['val_top1']:.2f} %, after "
            f"epoch {best['epoch']}."
        )
    if run.get("early_stop"):
        said.append(run["early_stop"])
    if run.get("epoch"):
        said.append(f"The weights are those after epoch {run['epoch']}.")
    said.append(
        "Training images are augmented and their labels may be mixed and smoothed, so their loss "
        "can be higher, and their top-1 lower, than that of the validation images."
    )
    return "\n\n".join([*lines, " ".join(said)])


def origin(evaluation: Evaluation, run: dict) -> str:
    """Returns the section about the origin of the model."""
    lines = ["## How it was made"]
    if run.get("command"):
        lines += ["Trained with", f"```sh\n{run['command']}\n```"]
    versions = _listed(run.get("versions") or {})
    facts = [
        ("model", str(evaluation.path)),
        ("scored on", evaluation.data),
        ("trained on", run.get("data")),
        ("validation images", run.get("validation_note")),
        ("extends", _extended(run.get("extends"))),
        ("seed", run.get("seed")),
        ("strategy", run.get("strategy")),
        ("backend", run.get("backend")),
        ("hardware", run.get("hardware")),
        *(("resumed with", _changes(news)) for news in run.get("continued") or ()),
        ("training time", _duration(run.get("seconds"))),
        ("time of this evaluation", _duration(evaluation.seconds)),
        ("versions", versions),
    ]
    rows = [[name, escaped(str(value))] for name, value in facts if value not in (None, "")]
    lines.append(table(["fact", "value"], rows, text_columns=2))
    if run.get("recipe"):
        given = [(name, value) for name, value in leaves(run["recipe"]) if value is not None]
        rows = [[name, escaped(_value(value))] for name, value in given]
        lines += [
            "### Recipe",
            table(["option", "value"], rows, text_columns=2),
            "Options that are not listed have the variant's values, or are unused.",
        ]
    return "\n\n".join(lines)


def _listed(versions: dict) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _extended(extends: dict | None) -> str:
    """Describes the run whose model this one started from."""
    if not extends:
        return ""
    return (
        f"the model of {extends['run']}, with {extends['added']:,} images added and "
        f"{extends['removed']:,} removed since"
    )


def _changes(news: dict) -> str:
    """Describes the changes of a resumed run."""
    pairs = dict(news.get("optimization") or {})
    if "data" in news:
        pairs["data"] = news["data"]
    words = [f"{name} {new} (before: {old})" for name, (old, new) in pairs.items()]
    for name, value in news.items():
        if name == "versions":
            words.append(_listed(value))
        elif name not in ("optimization", "data"):
            words.append(f"{name} {value}")
    return "; ".join(words)


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
