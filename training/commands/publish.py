"""`python -m training publish`: a small file of a finished run, with a model card."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from training.commands.parsing import parsed
from training.publish import publish
from training.report.score_table import score_table


@dataclasses.dataclass(frozen=True)
class Publish:
    """Writes a finished run's model in half the size, with its labels, scores and a model card.

    Attributes:
        run: folder of the run.
        out: folder to write.
        description: file of Markdown for the card, on the data and the use of the model.
        data: the images to score, as `evaluate` takes them; by default those that the run was
            scored on.
        labels: table with the columns file, class and optionally split, for a folder's images.
    """

    run: Annotated[Path, tyro.conf.Positional]
    out: Path
    description: Path | None = None
    data: str | None = None
    labels: Annotated[Path | None, tyro.conf.arg(name="data.labels")] = None


def run(arguments: list[str]) -> None:
    """Publishes a run and prints the scores of the written file.

    Args:
        arguments: list of strings, those after `publish`.
    """
    options = parsed(Publish, "publish", arguments)
    text = ""
    if options.description is not None:
        text = options.description.read_text(encoding="utf-8").strip()
    evaluation = publish(options.run, options.out, text, options.data, options.labels)
    print(score_table([evaluation.as_row()]))
    print(f"\n{evaluation.note}\n{options.out / 'README.md'} describes the model.")
