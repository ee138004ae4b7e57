"""`python -m training evaluate`: scores trained models in any form."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm import tqdm

from keras_cabvit.atomic_files import write_text_atomically
from training.compare import compare
from training.evaluate import evaluate
from training.report.score_table import score_table


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Scores a run's folder, a .keras file, a SavedModel directory or a .tflite file.

    Attributes:
        model: what to score.
        data: "tfds:NAME", "folder:PATH", "fashion_mnist" or "elpv"; by default what the run was
            trained on.
        compare: score these side by side, in one table, the first with the others.
        split: which images. Without test images of the data's own, test means validation.
        out: folder for report.md and its pictures, of one model.
        json: file for the scores.
        image_size: (height, width) in pixels, for a model that takes any size.
        crop: side of the centre crop as a share of the image; by default as the run has it.
        batch_size: images at a time.
    """

    model: Annotated[Path | None, tyro.conf.Positional] = None
    compare: tuple[Path, ...] = ()
    data: str | None = None
    split: Literal["test", "validation", "training", "all"] = "test"
    out: Path | None = None
    json: Path | None = None
    image_size: tuple[int, int] | None = None
    crop: float | None = None
    batch_size: int = 64


def run(arguments):
    """Scores one model, or several side by side, and prints a table.

    Args:
        arguments: list of strings, what stands after `evaluate`.
    """
    options = tyro.cli(Evaluate, args=arguments, prog="python -m training evaluate")
    paths = [path for path in (options.model, *options.compare) if path is not None]
    if not paths:
        raise ValueError("Give a model to score, or several after --compare.")
    if options.out is not None and len(paths) > 1:
        raise ValueError("--out is for one model; --compare writes its scores with --json.")
    settings = {
        "image_size": options.image_size,
        "crop": options.crop,
        "batch_size": options.batch_size,
    }
    with _bar() as progress:
        if len(paths) == 1:
            result = evaluate(
                paths[0], options.data, options.split, options.out, progress=progress, **settings
            )
            rows = (result.as_row(),)
        else:
            result = compare(paths, options.data, options.split, progress=progress, **settings)
            rows = result.rows
    print(score_table(rows))
    print("\n" + "\n".join((result.note, *result.notes)))
    if options.out is not None:
        print(f"{options.out / 'report.md'} says more.")
    if options.json is not None:
        text = json.dumps([dataclasses.asdict(row) for row in rows], indent=2) + "\n"
        write_text_atomically(options.json, text)


class _bar:
    """A bar of the images done; where nobody watches it is not drawn."""

    def __init__(self):
        self._bar = tqdm(unit="image", leave=False, disable=None)

    def __enter__(self):
        return self._show

    def _show(self, done, total):
        if done < self._bar.n:
            self._bar.reset()
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def __exit__(self, *_):
        self._bar.close()
