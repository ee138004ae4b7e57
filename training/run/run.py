"""The training of a run, in one of its processes: from its folder to a model and a report."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.runtimes.run_record import read_run
from training.data.batches import (
    Reader,
    evaluation_batches,
    steps_per_epoch,
    training_batches,
)
from training.data.broken import BrokenImages, TooManyBrokenImages
from training.data.data_set import DataSet
from training.data.reduced_copies import remove_copies, split_to_read
from training.data.split import Split
from training.devices.hosts import gather, stop_agreed
from training.devices.out_of_memory import clear_out_of_memory
from training.devices.strategies import Placement
from training.evaluation.result import Evaluation
from training.optimization.averaged_model import AveragedModel
from training.optimization.compiled_model import compiled_model, precision
from training.recipes.initial_weights import start_from_weights
from training.recipes.model import build_model
from training.recipes.recipe import Recipe
from training.report.run_overview import run_overview
from training.run.callbacks import (
    AveragedEvaluation,
    CallbackList,
    Checkpointing,
    CheckpointOptions,
    Diverged,
    EarlyStopping,
    History,
    LossGuard,
    Progress,
)
from training.run.checkpoints import Checkpoint, CheckpointFolder
from training.run.interrupted import Interrupted
from training.run.loggers import Logger
from training.run.options import TrainOptions
from training.run.results import Trained, write_results
from training.run.state import write_state


@dataclasses.dataclass(frozen=True)
class Run:
    """A run in one of its processes.

    Attributes:
        recipe: `Recipe`.
        options: `TrainOptions`.
        placement: `Placement`.
        data_set: `DataSet`.
        broken: `BrokenImages`, which grows while images are read.
        loggers: `Logger`s, further places for the scores.
    """

    recipe: Recipe
    options: TrainOptions
    placement: Placement
    data_set: DataSet
    broken: BrokenImages
    loggers: tuple[Logger, ...] = ()

    @property
    def folder(self) -> Path:
        """Path of the run's folder."""
        return self.options.out

    @property
    def checkpoints(self) -> CheckpointFolder:
        """The checkpoints in the run's folder."""
        return CheckpointFolder(self.folder / "checkpoints")

    @property
    def copies(self) -> Path:
        """Folder of the reduced copies of large photographs."""
        return self.folder / "reduced"

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes into the folder."""
        return self.placement.share.is_first

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.data_set.class_names)

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return steps_per_epoch(self.data_set.training, self.recipe.batch_size)

    @property
    def reader(self) -> Reader:
        """This process as a reader of images."""
        return Reader(self.placement.share, self.broken)

    def complete(self, evaluate: Callable[..., Evaluation]) -> None:
        """Trains to the end of the recipe, and writes the model and the report.

        Args:
            evaluate: function of a folder and a `DataSet` that scores the model in the folder.
        """
        self._set_seed()
        with (
            precision(self.recipe.precision),
            self.placement.scope(),
            clear_out_of_memory(self.recipe),
            self._broken_images_listed(),
        ):
            model = compiled_model(
                self._model(),
                self.recipe,
                self.steps,
                self.placement.jit_compile,
                self.data_set.training.class_counts(),
            )
            if self.recipe.freeze:
                print(f"Frozen: {', '.join(self.recipe.freeze)}.")
            if self.writes:
                if self.recipe.model.initial_weights is None and not self.checkpoints:
                    print("Starting from random weights.")
                print(run_overview(model, self.recipe, self.steps), flush=True)
            checkpointing = self._checkpointing(self._resume(model))
            stopping = EarlyStopping(checkpointing.history, self.recipe.patience)
            try:
                self._fit(model, checkpointing, stopping)
            except Diverged:
                checkpointing.discard_unscored()
                raise
            except Interrupted:
                gather(None)  # a process that left now would end the one that writes the checkpoint
                raise
            finally:
                checkpointing.close()
            weights = self._final_weights(model, checkpointing)
        for name in itertools.chain(*gather(self.broken.found)):
            self.broken.record(name)  # every process has read other images
        with self._broken_images_listed():
            self.broken.check()
        try:
            if self.writes:
                self._write_results(weights, checkpointing, stopping, evaluate)
        finally:
            gather(None)  # the others wait: without them JAX would end this process

    def _model(self) -> keras.Model:
        """Returns the model with its initial weights, if it has any, and says so."""
        options = self.recipe.model
        model = build_model(options, self.classes)
        if options.initial_weights is not None:
            print(start_from_weights(model, options, self.data_set.class_names))
        return model

    def _set_seed(self) -> None:
        keras.utils.set_random_seed(self.options.seed)
        if self.options.deterministic and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.enable_op_determinism()

    @contextlib.contextmanager
    def _broken_images_listed(self) -> Iterator[None]:
        """Lists all broken images in a file when they stop the run."""
        try:
            yield
        except TooManyBrokenImages as error:
            file = self.folder / "broken_images.txt"
            write_text_atomically(file, "\n".join(self.broken.found) + "\n")
            raise TooManyBrokenImages(f"{error} {file} lists all that were found.") from None

    def _resume(self, model: AveragedModel) -> Checkpoint | None:
        """Restores the latest checkpoint and returns it; None if there is none."""
        resumed = self.checkpoints.read_latest()
        steps = gather(0 if resumed is None else resumed.progress["step"])
        if len(set(steps)) > 1:
            raise ValueError(
                f"All processes must see the same checkpoints in {self.folder}. They would resume "
                f"after steps {', '.join(map(str, steps))}: choose a folder that all hosts see."
            )
        if resumed is not None:
            write_state(model, resumed.arrays)
            self.broken.remember(resumed.progress["broken"])
            for path in resumed.damaged:
                print(f"{path} cannot be read and is skipped for the previous checkpoint.")
            print(f"Resuming after step {steps[0]} of {self.steps * self.recipe.epochs}.")
        return resumed

    def _checkpointing(self, resumed: Checkpoint | None) -> Checkpointing:
        """Returns the callback that writes checkpoints, with the `History` that it keeps."""
        history = History(
            self.folder / "metrics.csv" if self.writes else None,
            self.recipe.batch_size,
            self.steps,
            resumed.progress if resumed is not None else None,
        )
        options = CheckpointOptions(
            minutes=self.options.checkpoint_minutes,
            keep_best=self.recipe.select == "best",
            stop_agreed=stop_agreed if self.placement.share.count > 1 else None,
        )
        folder = self.checkpoints if self.writes else None
        return Checkpointing(folder, history, self.broken, resumed, options)

    def _callbacks(
        self, checkpointing: Checkpointing, stopping: EarlyStopping
    ) -> list[keras.callbacks.Callback]:
        """Returns all callbacks in their order."""
        history = checkpointing.history
        callbacks = [AveragedEvaluation(), LossGuard(self.classes), history, stopping]
        if self.writes:
            record = read_run(self.folder) or {}
            callbacks += [logger.callback(history, record) for logger in self.loggers]
            first_step = checkpointing.step
            batch_size = self.recipe.batch_size
            callbacks.append(Progress(self.recipe.epochs, self.steps, first_step, batch_size))
        return [*callbacks, checkpointing]

    def _fit(
        self, model: AveragedModel, checkpointing: Checkpointing, stopping: EarlyStopping
    ) -> None:
        """Runs `fit` to the end of the epoch that was begun, then for the others.

        Keras begins an epoch only at its first step, so the rest of one is an epoch of its own.
        """
        recipe = self.recipe
        callbacks = self._callbacks(checkpointing, stopping)
        validation = evaluation_batches(
            self.data_set.validation,
            recipe.model.image_size,
            recipe.batch_size,
            recipe.effective_crop,
            self.reader,
        )
        first_step = checkpointing.step
        epoch, done = divmod(first_step, self.steps)
        if checkpointing.epoch_is_unscored():
            _score_epoch(model, epoch - 1, validation, callbacks)
        parts = [(epoch, epoch + 1, self.steps - done)] * (done > 0)
        parts.append((epoch + (done > 0), recipe.epochs, self.steps))
        training = self.data_set.training
        if not stopping.is_due():
            training = self.training_images(recipe.epochs - epoch)
        for initial_epoch, epochs, steps_per_epoch_here in parts:
            if initial_epoch >= epochs or stopping.is_due():
                continue
            model.fit(
                training_batches(training, recipe, self.options.seed, first_step, self.reader),
                initial_epoch=initial_epoch,
                epochs=epochs,
                steps_per_epoch=steps_per_epoch_here,
                validation_data=validation,
                callbacks=CallbackList(
                    callbacks, add_history=True, model=model, epochs=recipe.epochs
                ),
                shuffle=False,  # the batches come shuffled
                verbose=0,
            )
            first_step = epochs * self.steps

    def training_images(self, epochs: int) -> Split:
        """Returns the training images, with reduced copies of large photographs if these pay.

        Args:
            epochs: integer, the epochs that are left, the one that was begun included.
        """
        if not self.options.reduced_copies or self.placement.share.count > 1:
            return self.data_set.training
        return split_to_read(self.data_set, self.recipe, self.copies, epochs)

    def _final_weights(
        self, model: AveragedModel, checkpointing: Checkpointing
    ) -> list[np.ndarray]:
        """Returns the weights that become the model: averaged if averages are kept."""
        if self.recipe.select == "best":
            return [checkpointing.best[name] for name in sorted(checkpointing.best)]
        with model.averages_as_weights():
            return [keras.ops.convert_to_numpy(weight).copy() for weight in model.averaged_weights]

    def _write_results(
        self,
        weights: list[np.ndarray],
        checkpointing: Checkpointing,
        stopping: EarlyStopping,
        evaluate: Callable[..., Evaluation],
    ) -> None:
        """Writes the model and the report, then removes the checkpoints if they may go."""
        history, best = checkpointing.history, self.recipe.select == "best"
        trained = Trained(
            weights,
            checkpointing.best_epoch or 0 if best else history.rows[-1]["epoch"],
            history.rows,
            history.seconds(),
            self.broken.names,
            stopping.sentence(self.recipe.epochs),
        )
        if trained.early_stop:
            print(trained.early_stop)
        record = write_results(self.folder, self.recipe, self.data_set, trained, evaluate)
        remove_copies(self.copies)
        if not self.options.keep_checkpoints:
            freed = self.checkpoints.remove_all()
            print(
                f"The checkpoints, {freed / 1e6:,.0f} MB, were removed; --keep-checkpoints would "
                "keep them."
            )
        # Last: a logger that fails, such as one of a server, leaves a run that is finished.
        for logger in self.loggers:
            logger.finish(record)


def _score_epoch(
    model: AveragedModel, epoch: int, validation: Any, callbacks: list[keras.callbacks.Callback]
) -> None:
    """Finishes an epoch that is trained but whose validation images are not scored yet."""
    callbacks = CallbackList(callbacks, model=model)
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(epoch)  # restores the metrics
    logs = {name: float(value) for name, value in model.get_metrics_result().items()}
    scores = model.evaluate(validation, verbose=0, callbacks=callbacks, return_dict=True)
    logs |= {f"val_{name}": value for name, value in scores.items()}
    callbacks.on_epoch_end(epoch, logs)
    callbacks.on_train_end()
