"""One training run: from a recipe and data to a model and a report."""

import contextlib
import dataclasses
import time
from pathlib import Path

from keras_cabvit.paths import local_path
from training.data.batches import steps_per_epoch
from training.data.broken import BrokenImages
from training.data.contents import check_contents, contents_of
from training.data.data_set import DataSet
from training.data.image_list import IMAGES_FILE, write_image_list
from training.data.opening import check_outside, open_data_set
from training.devices.hosts import Hosts
from training.devices.slow_on_cpus import tell_slow_on_cpus
from training.devices.strategies import Placement, place
from training.evaluate import evaluate
from training.optimization.class_weights import training_loss
from training.optimization.optimizer import check_final_learning_rate
from training.recipes.checks import check_recipe
from training.recipes.initial_weights import initial_weights_file
from training.recipes.recipe import Recipe
from training.report.data_overview import data_overview
from training.run.checkpoints import CheckpointFolder
from training.run.choosing import Choice, chosen_recipe, resumed_recipe
from training.run.continued_record import continued_record
from training.run.extension import Extension, extension
from training.run.folder import claimed
from training.run.found_run import found_run
from training.run.loggers import open_loggers
from training.run.options import TrainOptions, check_options
from training.run.record import run_record
from training.run.run import Run


def train(
    recipe: Recipe,
    options: TrainOptions,
    hosts: Hosts | None = None,
    command: str | None = None,
    choice: Choice | None = None,
) -> Path:
    """Trains a model, or resumes a stopped run, and writes its report.

    Args:
        recipe: `Recipe`.
        options: `TrainOptions`.
        hosts: `Hosts`, when several processes train together; None for one.
        command: string, the command that started the run, for the record.
        choice: `Choice` of fields of the recipe; None takes the recipe as it is. A resumed run
            keeps what it chose when it began.

    Returns:
        The path of the run's folder, with `model.keras`, `labels.txt`, `metrics.csv`, `report.md`.

    Raises:
        ValueError: an option, the data or the folder does not fit; the message says what would.
        OSError: something cannot be read or written.
        Diverged: the loss has diverged. The last good checkpoint is kept.
        MemoryError: a device has too little memory.
        Interrupted: the process was asked to stop. Its state is in a checkpoint.
    """
    started = time.monotonic()
    folder = local_path(options.out, "out")
    options = dataclasses.replace(options, out=folder)
    check_outside(options.data, options.out)
    found = found_run(folder)
    earlier = found.resumed
    check_recipe(recipe, (earlier or {}).get("recipe"))
    check_options(options, earlier)
    placement = place(options.strategy, recipe, hosts)
    start = _opened_data(recipe, options, earlier)
    recipe, data_set = start.recipe, start.data_set
    if placement.share.is_first and not found.is_finished:
        print(data_overview(data_set), flush=True)
        tell_slow_on_cpus(recipe.model.variant, recipe.precision)
    if choice is not None:
        recipe = _decided(recipe, choice, options, data_set, placement, earlier, started)
    record = run_record(recipe, options, placement, data_set, command) | start.record
    if earlier is not None:
        record = continued_record(earlier, record, folder, options.change_optimization)
        # A checkpoint has all weights: the file of the initial weights may be gone.
        recipe = dataclasses.replace(
            recipe, model=dataclasses.replace(recipe.model, initial_weights=None)
        )
    if found.is_finished:
        _tell_finished(folder, found.checkpoints, options.keep_checkpoints)
        if placement.share.is_first:
            for logger in open_loggers(options.log, folder):
                logger.finish(earlier or {})
        return folder
    if earlier is None:
        record["contents"] = contents_of(data_set)
    else:
        check_contents(data_set, earlier, folder)
    loggers = open_loggers(options.log, folder)
    _check(recipe, data_set, is_new=earlier is None or options.change_optimization)
    # A share of the images that every epoch reads.
    validation_size = data_set.validation.size
    broken = BrokenImages(data_set.training.size + validation_size, validation_size)
    run = Run(recipe, options, placement, data_set, broken, tuple(loggers))
    if recipe.freeze and earlier is None and recipe.model.initial_weights is None:
        print("The frozen parts keep random weights: --model.initial-weights is not given.")
    with claimed(folder, record, found.record) if run.writes else contextlib.nullcontext():
        if run.writes and earlier is None:
            for logger in loggers:
                logger.forget()
        if run.writes and (earlier is None or not (folder / IMAGES_FILE).is_file()):
            write_image_list(folder, data_set, start.earlier)
        run.complete(evaluate)
    return folder


def _opened_data(recipe: Recipe, options: TrainOptions, earlier: dict | None) -> Extension:
    """Opens the data, and prepares the extension of a finished run if one is asked for.

    Returns:
        An `Extension`; if none is asked for, of the recipe and the data as they are.
    """
    if earlier is not None and "group_duplicates" not in (earlier.get("recipe") or {}):
        # Its validation images were drawn one by one.
        recipe = dataclasses.replace(recipe, group_duplicates=False)
    data_set = open_data_set(
        options.data,
        recipe.validation_share,
        options.split_seed,
        group_duplicates=recipe.group_duplicates,
        labels=options.labels,
    )
    if options.extend is None:
        return Extension(recipe, data_set)
    extended = extension(options.extend, recipe, data_set, options.split_seed, earlier)
    print(extended.text)
    return extended


def _decided(
    recipe: Recipe,
    choice: Choice,
    options: TrainOptions,
    data_set: DataSet,
    placement: Placement,
    earlier: dict | None,
    started: float,
) -> Recipe:
    """Returns a recipe with the fields that a run chooses, or chose when it began."""
    if options.extend is not None:
        # The model that is extended is the start, whatever other weights there are.
        choice = dataclasses.replace(choice, fields=choice.fields - {"model.initial_weights"})
    if earlier is not None:
        return resumed_recipe(recipe, choice, options.out)
    return chosen_recipe(recipe, choice, data_set, placement, started, options.reduced_copies)


def _tell_finished(folder: Path, checkpoints: CheckpointFolder, keeps_checkpoints: bool) -> None:
    print(f"This run is finished; its report is {folder / 'report.md'}.")
    if checkpoints and not keeps_checkpoints:
        print(
            f"Its checkpoints ({checkpoints.size() / 1e6:,.0f} MB) are in {checkpoints.path}; "
            "nothing needs them any more."
        )


def _check(recipe: Recipe, data_set: DataSet, is_new: bool) -> None:
    """Raises an error, before anything is written, for what would fail in the run."""
    initial_weights_file(recipe.model)  # the file may be missing
    # The batch may be larger than the data.
    steps = recipe.epochs * steps_per_epoch(data_set.training, recipe.batch_size)
    if is_new:  # a schedule that has begun is resumed as it is
        check_final_learning_rate(recipe)
        _check_updates(recipe, steps)
    # The images of each class may be unknown.
    training_loss(recipe.class_balance, data_set.training.class_counts())
    if recipe.augmentation.library == "keras_cv":
        import training.augmentation.keras_cv_backend  # noqa: F401 (it may not be installed)


def _check_updates(recipe: Recipe, steps: int) -> None:
    """Raises a ValueError if a training of so many steps ends before the weights change."""
    accumulated = recipe.optimization.accumulation_steps
    if accumulated > steps:
        raise ValueError(
            f"`optimization.accumulation_steps` must be at most {steps:,}, the steps of the whole "
            f"training: otherwise no weight would ever change. Received: {accumulated:,}"
        )
