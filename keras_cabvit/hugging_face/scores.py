"""The scores of a run, from the files that its evaluation wrote."""

import json
import math
from pathlib import Path

# Field of the scores, name in the card, metric of the Hub and its arguments.
METRICS = (
    ("top1", "top-1", "accuracy", None),
    ("top5", "top-5", "accuracy", {"top_k": 5}),
    ("balanced_accuracy", "balanced accuracy", "accuracy", {"average": "macro"}),
    ("macro_precision", "macro precision", "precision", {"average": "macro"}),
    ("macro_f1", "macro F1", "f1", {"average": "macro"}),
)


def scores_of(folder: Path, run: dict) -> dict[str, float]:
    """Returns the scores of the model in a folder.

    Args:
        folder: path of a run, or of what `python -m training publish` wrote.
        run: dict, the content of run.json.

    Returns:
        Shares of 1 by the fields of `METRICS`, and the number of "images"; empty without scores.

    Raises:
        ValueError: a field is not a number.
    """
    path, scores = folder / "run.json", run.get("scores") or {}
    published = folder / "scores.json"  # of the published file, which has half the size
    if published.is_file():
        path = published
        try:
            scores = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is damaged: it is not valid JSON ({error}).") from error
        if not isinstance(scores, dict):
            raise ValueError(f"{path} is damaged: it must hold a JSON object with the scores.")
    fields = ("images", *(metric[0] for metric in METRICS))
    found = {name: scores[name] for name in fields if scores.get(name) is not None}
    for name, value in found.items():
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ValueError(f"{path} is damaged: {name} must be a number. It is {value!r}.")
    return found
