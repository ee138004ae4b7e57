"""One epoch as one compiled JAX function, and the scores of the averaged weights."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras

from training.in_memory.augmentation import augment, mix, smooth
from training.in_memory.teacher import Teacher, resized
from training.optimization.optimizer import LayerwiseAdamW
from training.recipes.recipe import Recipe


class State(NamedTuple):
    """All variables of a run, each a list of arrays, and the number of steps taken."""

    trainable: list
    others: list
    optimizer: list
    averages: list
    step: jax.Array


class Images(NamedTuple):
    """Images on the accelerator and their classes.

    Attributes:
        pixels: uint8 array (images, height, width, 3).
        labels: integer array (images,).
    """

    pixels: jax.Array
    labels: jax.Array


@dataclasses.dataclass(frozen=True)
class Trainer:
    """A model, its optimizer and the recipe by which they train.

    Attributes:
        model: model from pixels to probabilities. Images of another size are resized, after they
            are augmented.
        optimizer: built for the model's trainable variables, with a constant learning rate.
        recipe: `Recipe`.
        teacher: `Teacher` whose probabilities are the targets; None: the labels are.
    """

    model: keras.Model
    optimizer: LayerwiseAdamW
    recipe: Recipe
    teacher: Teacher | None = None

    def state(self) -> State:
        """Returns copies of all variables; the averages begin with the weights."""
        trainable = [jnp.array(variable.value) for variable in self.model.trainable_variables]
        others = [jnp.array(variable.value) for variable in self.model.non_trainable_variables]
        optimizer = [jnp.array(variable.value) for variable in self.optimizer.variables]
        averages = [jnp.array(value) for value in (*trainable, *others)]
        return State(trainable, others, optimizer, averages, jnp.zeros((), "int32"))

    def compiled_epoch(self, images: Images) -> Callable:
        """Compiles one pass over images in a new order; the last, smaller batch is dropped.

        Args:
            images: `Images`.

        Returns:
            A function of a `State`, which it overwrites, a random key, and the learning rates of
            the steps, a float array (steps,). It returns the new state and the mean loss.
        """
        batch = self.recipe.batch_size
        count = len(images.labels)
        steps = count // batch
        teacher = self.teacher.values() if self.teacher else None

        @functools.partial(jax.jit, donate_argnums=0)
        def epoch(
            state: State,
            key: jax.Array,
            rates: jax.Array,
            images: Images,
            teacher: tuple | None,
        ) -> tuple[State, jax.Array]:
            order_key, key = jax.random.split(key)
            order = jax.random.permutation(order_key, count)[: steps * batch]
            batches = jax.random.split(key, steps), order.reshape(steps, batch), rates

            def step(state: State, batch: tuple) -> tuple[State, jax.Array]:
                key, places, rate = batch
                drawn = Images(images.pixels[places], images.labels[places])
                return self._step(state, key, rate, drawn, teacher)

            state, losses = jax.lax.scan(step, state, batches)
            return state, jnp.mean(losses)

        # The weights of the teacher are arguments: as constants they would be compiled in.
        others = (images, teacher)
        rates = jnp.zeros(steps)
        compiled = epoch.lower(self.state(), jax.random.key(0), rates, *others).compile()
        return lambda state, key, rates: compiled(
            state, key, jnp.asarray(rates, "float32"), *others
        )

    def _step(
        self,
        state: State,
        key: jax.Array,
        rate: jax.Array,
        batch: Images,
        teacher: tuple | None,
    ) -> tuple[State, jax.Array]:
        augmentation = self.recipe.augmentation
        augment_key, mix_key = jax.random.split(key)
        classes = self.model.output_shape[-1]
        images = augment(augment_key, batch.pixels, augmentation)
        targets = smooth(batch.labels, classes, augmentation.label_smoothing)
        images, targets = mix(mix_key, images, targets, augmentation)
        if self.teacher and teacher:
            targets = self.teacher.targets(teacher, images, targets)
        (loss, others), gradients = jax.value_and_grad(self._loss, has_aux=True)(
            state.trainable, state.others, images, targets
        )
        optimizer = [
            rate.astype(value.dtype) if variable is self.optimizer.learning_rate else value
            for variable, value in zip(self.optimizer.variables, state.optimizer, strict=True)
        ]
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, state.trainable)
        averages = self._averages(state, [*trainable, *others])
        return State(trainable, others, optimizer, averages, state.step + 1), loss

    def _loss(
        self, trainable: list, others: list, images: jax.Array, targets: jax.Array
    ) -> tuple[jax.Array, list]:
        images = resized(images, self.model.input_shape[1:3])
        scores, others = self.model.stateless_call(trainable, others, images, training=True)
        logarithms = jnp.log(jnp.clip(scores.astype("float32"), keras.config.epsilon(), 1.0))
        return -jnp.mean(jnp.sum(targets * logarithms, -1)), others

    def _averages(self, state: State, weights: list) -> list:
        """Moves the averages towards the weights, as `AveragedModel` does."""
        options = self.recipe.optimization
        momentum: Any = options.average_momentum or 0.0
        if options.average_warmup:
            step = state.step + 1
            momentum = jnp.minimum(momentum, (1 + step) / (10 + step))
        return [
            (average + (1 - momentum) * (weight - average)).astype(average.dtype)
            if jnp.issubdtype(average.dtype, jnp.floating)
            else weight
            for average, weight in zip(state.averages, weights, strict=True)
        ]

    def scorer(self, images: Images) -> Callable[[State], dict]:
        """Returns a function that scores the averages of a `State` on `Images`.

        It returns a dict of floats: `val_top1` and `val_cross_entropy`.
        """
        count = len(self.model.trainable_variables)

        @jax.jit
        def scores_of(averages: list, images: jax.Array) -> jax.Array:
            trainable, others = averages[:count], averages[count:]
            images = resized(images.astype("float32"), self.model.input_shape[1:3])
            scores, _ = self.model.stateless_call(trainable, others, images, training=False)
            return scores.astype("float32")

        def score(state: State) -> dict:
            batch = self.recipe.batch_size
            starts = range(0, len(images.labels), batch)
            parts = [images.pixels[start : start + batch] for start in starts]
            scores = jnp.concatenate([scores_of(state.averages, part) for part in parts])
            of_label = jnp.take_along_axis(scores, images.labels[:, None], -1)
            logarithms = jnp.log(jnp.clip(of_label, keras.config.epsilon(), 1.0))
            return {
                "val_top1": float(jnp.mean(jnp.argmax(scores, -1) == images.labels)),
                "val_cross_entropy": float(-jnp.mean(logarithms)),
            }

        return score

    def assign_averages(self, state: State) -> None:
        """Puts the averages of a `State` into the model's variables."""
        variables = [*self.model.trainable_variables, *self.model.non_trainable_variables]
        for variable, average in zip(variables, state.averages, strict=True):
            variable.assign(average)
