"""One training run: from a recipe and data to a model and a report."""

import contextlib
import dataclasses
import itertools
import json
import re
import sys
import time
from pathlib import Path

import filelock
import keras
import numpy as np

from keras_cabvit.atomic_files import atomic_path, write_text_atomically
from training.data.batches import evaluation_batches, steps_per_epoch, training_batches
from training.data.broken import BrokenImages, TooManyBrokenImages
from training.data.data_set import open_data_set
from training.devices.hosts import gather, stop_agreed
from training.devices.out_of_memory import out_of_memory_as_sentence
from training.devices.strategies import place
from training.optimization.averaged_model import AveragedModel
from training.optimization.optimizer import make_optimizer
from training.recipes.model import build_model
from training.run.callbacks import (
    AveragedEvaluation,
    CallbackList,
    Checkpointing,
    Diverged,
    History,
    LossGuard,
    Progress,
    TensorBoard,
)
from training.run.checkpoints import CheckpointFolder
from training.run.interrupted import Interrupted
from training.run.record import continued_record, read_run, run_record
from training.run.state import write_state


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """What a run needs besides its recipe.

    Attributes:
        data: "tfds:NAME", "folder:PATH", "fashion_mnist" or "elpv".
        out: folder of the run. A run that was stopped goes on when it is started again with it.
        strategy: which devices: auto, single, mirrored, tpu or data_parallel.
        seed: of the initial weights, the order of the images and their augmentation.
        split_seed: of the cut between training and validation images.
        checkpoint_minutes: time between two checkpoints inside an epoch.
        deterministic: whether TensorFlow keeps to operations that always give the same bits, which
            may be slower.
        tensorboard: whether to write logs for TensorBoard.
        change_optimization: whether a run may go on with other options of the optimization than it
            had: with a smaller learning rate after it diverged, for example.
    """

    data: str
    out: Path
    strategy: str = "auto"
    seed: int = 0
    split_seed: int = 0
    checkpoint_minutes: float = 10.0
    deterministic: bool = False
    tensorboard: bool = True
    change_optimization: bool = False


def train(recipe, options, hosts=None, command=None):
    """Trains a model, or goes on with a run that was stopped, and writes its report.

    Args:
        recipe: `Recipe`.
        options: `TrainOptions`.
        hosts: `Hosts`, when several processes train together; None for one.
        command: string, how the run was started, for the record.

    Returns:
        The path of the run's folder, with `model.keras`, `labels.txt`, `metrics.csv`, `report.md`.

    Raises:
        ValueError: an option, the data or the folder does not fit; the message says what would.
        OSError: something cannot be read or written.
        Diverged: the loss is lost. The last good checkpoint is there.
        MemoryError: a device has too little memory.
        Interrupted: the process was asked to stop. Its state is in a checkpoint.
    """
    folder = Path(options.out)
    _check_local(options.out)
    found = earlier = read_run(folder)
    placement = place(options.strategy, recipe, hosts)
    data_set = open_data_set(options.data, recipe.validation_share, options.split_seed)
    record = run_record(recipe, options, placement, data_set, command)
    checkpoints = CheckpointFolder(folder / "checkpoints")
    finished = earlier is not None and earlier.get("finished")
    if not finished and not checkpoints:
        earlier = None  # it failed before it had anything to go on with
    if earlier is not None:
        record = continued_record(earlier, record, folder, options.change_optimization)
        # A checkpoint has all weights: those that the run began with may be gone.
        recipe = dataclasses.replace(
            recipe, model=dataclasses.replace(recipe.model, initial_weights=None)
        )
    if finished:
        print(f"This run is finished; its report is {folder / 'report.md'}.")
        return folder
    steps_per_epoch(data_set.training, recipe.batch_size)  # refuses a batch larger than the data
    first_process = placement.process_index == 0
    with _begun(folder, record, found) if first_process else contextlib.nullcontext():
        _run(recipe, options, placement, data_set)
    return folder


def _run(recipe, options, placement, data_set):
    """Trains to the end of the recipe, and writes the model and the report."""
    folder = Path(options.out)
    steps = steps_per_epoch(data_set.training, recipe.batch_size)
    checkpoints = CheckpointFolder(folder / "checkpoints")
    _seed(options)
    # Of all the images that are read again and again.
    broken = BrokenImages(data_set.training.size + data_set.validation.size)
    with (
        precision(recipe.precision),
        placement.scope(),
        out_of_memory_as_sentence(recipe),
        _all_named(broken, folder),
    ):
        model = compiled_model(recipe, len(data_set.class_names), steps, placement.jit_compile)
        resumed = _resume(model, checkpoints, broken, folder)
        if resumed is not None:
            print(f"Going on after step {resumed.progress['step']} of {steps * recipe.epochs}.")
        history, checkpointing, callbacks = _callbacks(
            recipe, options, placement, data_set, steps, resumed, checkpoints, broken
        )
        try:
            _fit(model, recipe, options, placement, data_set, checkpointing, callbacks, broken)
        except Diverged:
            checkpointing.discard_unscored()
            raise
        except Interrupted:
            gather(None)  # a process that left now would end the one that writes the checkpoint
            raise
        finally:
            checkpointing.close()
        weights = _final_weights(model, recipe, checkpointing)
    for name in itertools.chain(*gather(broken.found)):
        broken.record(name)  # every process has read other images
    with _all_named(broken, folder):
        broken.check()
    try:
        if placement.process_index == 0:
            _finish(folder, recipe, options, data_set, weights, history, broken, checkpointing)
    finally:
        gather(None)  # the others wait: without them JAX would end this process


def compiled_model(recipe, classes, steps, jit_compile, build=build_model):
    """Returns the `AveragedModel` of a recipe, compiled, its optimizer built.

    Args:
        recipe: `Recipe`.
        classes: integer.
        steps: integer, batches an epoch.
        jit_compile: what `model.compile` takes.
        build: function of the recipe's `ModelOptions` and the classes that returns the model.
            Defaults to `build_model`.
    """
    options = recipe.optimization
    model = AveragedModel(
        build(recipe.model, classes),
        options.average_momentum,
        options.accumulation_steps,
        options.average_warmup,
    )
    optimizer = make_optimizer(model, recipe, steps)
    model.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(),
        # Weighted, because the last validation batch is filled up with images of weight 0.
        weighted_metrics=[
            keras.metrics.CategoricalAccuracy(name="top1"),
            keras.metrics.TopKCategoricalAccuracy(min(5, classes), name="top5"),
            keras.metrics.CategoricalCrossentropy(name="cross_entropy"),
        ],
        jit_compile=jit_compile,
    )
    optimizer.build(model.trainable_variables)
    # Keras makes the metrics' variables with the first scores; a checkpoint may bring them sooner.
    scores = np.full((1, classes), 1 / classes, "float32")
    model.compute_metrics(None, scores, scores, np.ones(1, "float32"))
    model.reset_metrics()
    return model


@contextlib.contextmanager
def precision(policy):
    """Builds layers with a dtype policy until the block ends.

    Args:
        policy: "float32" or "mixed_bfloat16".
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _check_local(out):
    # What `Path` leaves of "gs://bucket/run".
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(out)):
        raise ValueError(
            f"`out` must be a folder that this computer sees. Received: {out}. Mount the storage, "
            "with Cloud Storage FUSE for example, and give the folder that it is mounted as."
        )


@contextlib.contextmanager
def _all_named(broken, folder):
    """Lists all broken images in a file when they stop the run."""
    try:
        yield
    except TooManyBrokenImages as error:
        file = folder / "broken_images.txt"
        write_text_atomically(file, "\n".join(broken.found) + "\n")
        raise TooManyBrokenImages(f"{error} {file} names all that were found.") from None


@contextlib.contextmanager
def _begun(folder, record, found):
    """Writes a run's record, and keeps other processes out of its folder until the block ends.

    Args:
        folder: path.
        record: dict, for run.json.
        found: dict, the run.json that was there before, or None.
    """
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(filelock.FileLock(folder / ".lock", blocking=False))
            if read_run(folder) != found:
                raise ValueError(
                    f"Another process has just written to {folder}. Start the command again."
                )
            write_text_atomically(folder / "run.json", json.dumps(record, indent=2) + "\n")
        except filelock.Timeout as error:
            raise ValueError(
                f"Another process is already training in {folder}. Wait until it ends, stop it "
                "(it saves what it has trained), or choose another folder with --out. If you know "
                f"that there is none, remove {folder / '.lock'}."
            ) from error
        except OSError as error:
            raise OSError(
                f"The folder of the run, {folder}, cannot be written to: "
                f"{error.strerror or error}. Choose another one with --out, or make room or give "
                "the right to write."
            ) from error
        yield


def _seed(options):
    keras.utils.set_random_seed(options.seed)
    if options.deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def _resume(model, checkpoints, broken, folder):
    """Puts the latest checkpoint into the model, and returns it; None if there is none."""
    resumed = checkpoints.read_latest()
    steps = gather(0 if resumed is None else resumed.progress["step"])
    if len(set(steps)) > 1:
        raise ValueError(
            f"All processes must see the same checkpoints in {folder}. They go on after steps "
            f"{', '.join(map(str, steps))}: put the folder where all hosts see it."
        )
    if resumed is not None:
        write_state(model, resumed.arrays)
        broken.remember(resumed.progress["broken"])
    return resumed


def _callbacks(recipe, options, placement, data_set, steps, resumed, checkpoints, broken):
    """Returns the `History`, the `Checkpointing`, and the list of all callbacks with both in it."""
    writes = placement.process_index == 0
    folder = Path(options.out)
    progress = {"step": 0, "history": [], "seconds": 0.0, "images_per_second": 0.0}
    if resumed is not None:
        progress = resumed.progress
    history = History(
        folder / "metrics.csv" if writes else None,
        recipe.batch_size,
        steps,
        progress["history"],
        progress["seconds"],
        progress["images_per_second"],
    )
    checkpointing = Checkpointing(
        checkpoints if writes else None,
        steps,
        progress["step"],
        options.checkpoint_minutes,
        history,
        broken,
        keep_best=recipe.select == "best",
        resumed=resumed,
        stop_agreed=stop_agreed if placement.process_count > 1 else None,
    )
    callbacks = [AveragedEvaluation(), LossGuard(len(data_set.class_names)), history]
    if writes and options.tensorboard:
        callbacks.append(TensorBoard(folder / "tensorboard", write_graph=False))
    if writes:
        callbacks.append(Progress(recipe.epochs, steps, progress["step"], recipe.batch_size))
    return history, checkpointing, [*callbacks, checkpointing]


def _fit(model, recipe, options, placement, data_set, checkpointing, callbacks, broken):
    """Runs `fit` to the end of the epoch that was begun, then over the others.

    Keras begins an epoch only at its first step, so the rest of one is an epoch of its own.
    """
    validation = evaluation_batches(
        data_set.validation,
        recipe.model.image_size,
        recipe.batch_size,
        recipe.crop_of_evaluation,
        placement.process_index,
        placement.process_count,
        broken,
    )
    steps = steps_per_epoch(data_set.training, recipe.batch_size)
    first_step = checkpointing.step
    epoch, done = divmod(first_step, steps)
    if checkpointing.epoch_is_unscored():
        _score_epoch(model, epoch - 1, validation, callbacks)
    parts = [(epoch, epoch + 1, steps - done)] * (done > 0)
    parts.append((epoch + (done > 0), recipe.epochs, steps))
    for initial_epoch, epochs, steps_per_epoch_here in parts:
        if initial_epoch >= epochs:
            continue
        model.fit(
            training_batches(
                data_set.training,
                recipe,
                options.seed,
                first_step,
                placement.process_index,
                placement.process_count,
                broken,
            ),
            initial_epoch=initial_epoch,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch_here,
            validation_data=validation,
            callbacks=CallbackList(callbacks, add_history=True, model=model, epochs=recipe.epochs),
            shuffle=False,  # the batches come shuffled
            verbose=0,
        )
        first_step = epochs * steps


def _score_epoch(model, epoch, validation, callbacks):
    """Ends an epoch whose images are trained on, and whose validation images are not scored."""
    callbacks = CallbackList(callbacks, model=model)
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(epoch)  # brings back the metrics
    logs = {name: float(value) for name, value in model.get_metrics_result().items()}
    scores = model.evaluate(validation, verbose=0, callbacks=callbacks, return_dict=True)
    logs |= {f"val_{name}": value for name, value in scores.items()}
    callbacks.on_epoch_end(epoch, logs)
    callbacks.on_train_end()


def _final_weights(model, recipe, checkpointing):
    """Returns the weights that become the model: averaged if averages are kept."""
    if recipe.select == "best":
        return [checkpointing.best[name] for name in sorted(checkpointing.best)]
    with model.averages_as_weights():
        return [keras.ops.convert_to_numpy(weight).copy() for weight in model.averaged_weights]


def _test_note(recipe, data_set):
    if data_set.test is None:
        return ""  # the evaluation says that these are the validation images
    chosen = "choose the weights" if recipe.select == "best" else "monitor training"
    return (
        "In this run the test images were scored once, at its end; only the validation images were "
        f"used to {chosen}."
    )


def _finish(folder, recipe, options, data_set, weights, history, broken, checkpointing):
    """Writes the model and its labels, scores it and writes the report."""
    from training.evaluate import evaluate
    from training.report.page import write_report

    inference = dataclasses.replace(recipe.model, initial_weights=None)
    with precision("float32"):
        model = build_model(inference, len(data_set.class_names))
    model.set_weights(weights)
    write_text_atomically(folder / "labels.txt", "\n".join(data_set.class_names) + "\n")
    with atomic_path(folder / "model.keras") as partial:
        model.save(partial)
    evaluation = evaluate(folder, data_set)
    run = read_run(folder) | {
        "test_note": _test_note(recipe, data_set),
        "broken_images": broken.names,
        "seconds": history.seconds(),
        "epoch": checkpointing.best_epoch if recipe.select == "best" else recipe.epochs,
    }
    write_report(folder, evaluation, history.rows, run, broken.names)
    run["scores"] = dataclasses.asdict(evaluation.as_row())
    run["finished"] = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    write_text_atomically(folder / "run.json", json.dumps(run, indent=2) + "\n")
    print(f"\n{folder / 'report.md'} says how well it did.", file=sys.stdout)
