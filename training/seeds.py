"""One recipe trained with several seeds, and the spread of its scores."""

import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.run_record import read_run
from training.recipes.recipe import Recipe
from training.report.markdown import percent, table
from training.run.choosing import Choice, resumed_recipe
from training.run.options import TrainOptions, is_seed
from training.train import train

# Scores of run.json that a seed changes, and their names in the table.
_SCORES = {
    "top1": "top-1",
    "top5": "top-5",
    "balanced_accuracy": "balanced accuracy",
    "cross_entropy": "cross-entropy",
    "calibration_error": "calibration error",
}


def train_seeds(
    recipe: Recipe,
    options: TrainOptions,
    seeds: Sequence[int],
    command: str | None = None,
    choice: Choice | None = None,
    train_one: Callable[..., Path] = train,
) -> str:
    """Trains a run for every seed in `OUT/seed_N`, one after the other, and sums up their scores.

    The seed changes the initial weights, the order of the images and their augmentation, and not
    the held-out images, which depend on `split_seed`. What a recipe leaves open is chosen by the
    first run, so that no other setting differs. A finished run is not trained again and a stopped
    one is resumed, so that the same call resumes the whole.

    Args:
        recipe: `Recipe`.
        options: `TrainOptions`; its seed is not used.
        seeds: integers, all different.
        command: string, the command that started it, for the records.
        choice: `Choice` of fields of the recipe, as for `train`; None takes the recipe as it is.
        train_one: function that trains one run. Defaults to `training.train.train`.

    Returns:
        The summary as Markdown: a row per seed, mean and sample standard deviation. It is in
        `OUT/seeds.md` too, and its numbers are in `OUT/seeds.json`.

    Raises:
        ValueError: there are no seeds, two are alike, one is out of range, or `OUT` is the folder
            of a single run.
    """
    out = local_path(options.out, "out")
    if not seeds or len(set(seeds)) < len(seeds) or not all(map(is_seed, seeds)):
        raise ValueError(
            "`seeds` must be different whole numbers from 0 to 2**32 - 1, such as 0 1 2. "
            f"Received: {' '.join(map(str, seeds))}"
        )
    if (out / "run.json").exists():
        raise ValueError(
            f"{out} holds a single run, not one for each seed: choose another folder with --out."
        )
    runs = {}
    for seed in seeds:
        print(f"Seed {seed}, in {out / f'seed_{seed}'}", flush=True)
        of_seed = dataclasses.replace(options, out=out / f"seed_{seed}", seed=seed)
        folder = train_one(recipe, of_seed, command=command, choice=choice)
        runs[seed] = read_run(folder) or {}
        if choice is not None:
            recipe, choice = resumed_recipe(recipe, choice, folder), None
    result = spread({seed: run["scores"] for seed, run in runs.items()})
    of_test = all((run.get("images") or {}).get("test") for run in runs.values())
    result["split"] = "test" if of_test else "validation"
    text = _page(result)
    write_text_atomically(out / "seeds.json", json.dumps(result, indent=2) + "\n")
    write_text_atomically(out / "seeds.md", text + "\n")
    return text


def spread(scores: dict[int, dict]) -> dict:
    """Returns the mean and the sample standard deviation of scores.

    Args:
        scores: dict from a seed to the scores of its run, as run.json has them.

    Returns:
        A dict that JSON can represent: "seeds" with the scores of each, "mean" and
        "standard_deviation", in which a deviation of a single seed is None; and "images".
    """
    names = [
        name for name in _SCORES if all(each.get(name) is not None for each in scores.values())
    ]
    columns = {name: [each[name] for each in scores.values()] for name in names}
    return {
        "seeds": {str(seed): {name: each[name] for name in names} for seed, each in scores.items()},
        "mean": {name: statistics.fmean(values) for name, values in columns.items()},
        "standard_deviation": {
            name: statistics.stdev(values) if len(values) > 1 else None
            for name, values in columns.items()
        },
        "images": min(each["images"] for each in scores.values()),
    }


def _page(result: dict) -> str:
    """Returns the summary as Markdown."""
    images = result["images"]

    def row(title: str, values: dict) -> list[str]:
        return [title, *(_cell(name, values[name], images) for name in result["mean"])]

    rows = [row(seed, values) for seed, values in result["seeds"].items()]
    rows.append(row("mean", result["mean"]))
    rows.append(row("standard deviation", result["standard_deviation"]))
    title = f"Scores of {images:,} {result['split']} images"
    return f"{title}\n\n{table(['seed', *(_SCORES[name] for name in result['mean'])], rows)}"


def _cell(name: str, value: float | None, images: int) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if name == "cross_entropy" else percent(value, images)
