"""An exponential moving average of a model's weights, kept inside the training step."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops


class AveragedModel(keras.Model):
    """A functional model that also keeps a moving average of all its weights.

    After every update of the weights, average = momentum * average + (1 - momentum) * weight, for
    the trainable weights and BatchNorm's moving statistics, as the authors averaged (Keras' own
    averages exclude the statistics, which would then belong to other kernels than the averaged).
    It starts from the initial weights. The averages are variables of this model, so they are
    computed in the compiled step, on every backend and device.

    Args:
        model: the functional model whose layers are trained. Its weights are shared.
        momentum: float between 0 and 1; None keeps no average.
        accumulation_steps: integer, batches per update of the weights. Defaults to 1.
        warm_up: whether the momentum is at most (1 + n) / (10 + n) at the n-th update of the
            weights, so that a short run forgets its initial weights; it is the rule of
            `tf.train.ExponentialMovingAverage`. Defaults to False.
        frozen: layers whose weights and averages keep their values. Defaults to none.
    """

    def __init__(
        self,
        model: keras.Model,
        momentum: float | None = None,
        accumulation_steps: int = 1,
        warm_up: bool = False,
        frozen: Sequence[keras.layers.Layer] = (),
    ):
        super().__init__(model.input, model.output, name=model.name)
        self.momentum = momentum
        self.accumulation_steps = accumulation_steps
        self.warm_up = warm_up
        self.averaged_weights = list(model.weights)
        self.averages: list[keras.Variable] = []
        if momentum is not None:
            self.averages = [
                self.add_weight(
                    name=f"average_{index}",
                    shape=weight.shape,
                    # The float32 of the weight, even when computations are in half precision.
                    dtype=weight.dtype,
                    initializer="zeros",
                    trainable=False,
                )
                for index, weight in enumerate(self.averaged_weights)
            ]
            self.reset_averages()
        still = {id(weight) for layer in frozen for weight in layer.weights}
        # Rounding would change the average of a weight that stays the same.
        self._moving = [
            (average, weight)
            for average, weight in zip(self.averages, self.averaged_weights, strict=False)
            if id(weight) not in still
        ]

    def reset_averages(self) -> None:
        """Makes the averages equal to the weights."""
        for average, weight in zip(self.averages, self.averaged_weights, strict=True):
            average.assign(_copy(weight))

    @contextlib.contextmanager
    def averages_as_weights(self) -> Iterator[None]:
        """Replaces the weights with their averages, if there are any, until the block ends.

        Under TensorFlow's strategies all devices then have the weights of the first one. Otherwise
        each device would score images with its own BatchNorm statistics.
        """
        if not self.averages:
            for weight in self.averaged_weights:
                if not weight.trainable:
                    weight.assign(_copy(weight))
            yield
            return
        weights = [_copy(weight) for weight in self.averaged_weights]
        for average, weight in zip(self.averages, self.averaged_weights, strict=True):
            weight.assign(_copy(average))
        try:
            yield
        finally:
            for weight, value in zip(self.averaged_weights, weights, strict=True):
                weight.assign(value)

    def train_step(self, *args: Any) -> Any:
        """Trains on one batch, then moves the averages. Arguments are the backend's own."""
        outputs = super().train_step(*args)
        if not self.averages:
            return outputs
        update = {
            "jax": self._updated_state,
            "tensorflow": self._assign_on_tensorflow,
            "torch": self._assign_on_torch,
        }[keras.backend.backend()]
        return update(outputs)

    def _momentum_after(self, batches: Any) -> Any:
        """Returns the momentum of this batch: 1 if the weights have not changed."""
        momentum = self.momentum
        if self.warm_up:
            changes = ops.cast(batches // self.accumulation_steps, "float32")
            momentum = ops.minimum(momentum, (1 + changes) / (10 + changes))
        if self.accumulation_steps == 1:
            return momentum
        changed = ops.equal(batches % self.accumulation_steps, 0)
        return ops.where(changed, momentum, 1.0)

    def _assign_on_tensorflow(self, logs: Any) -> Any:
        import tensorflow as tf

        # The public `iterations` counts updates, these are batches.
        momentum = self._momentum_after(self.optimizer._iterations)

        def move(average: Any, weight: Any) -> None:
            average.assign(momentum * average + (1.0 - momentum) * weight)

        def move_all(strategy: Any, averages: list, weights: list) -> None:
            for average, weight in zip(averages, weights, strict=True):
                # Every device moves its own copy, and nothing is sent between devices.
                strategy.extended.update(average, move, args=(weight,), group=False)

        tf.__internal__.distribute.interim.maybe_merge_call(
            move_all,
            tf.distribute.get_strategy(),
            [average.value for average, _ in self._moving],
            [weight.value for _, weight in self._moving],
        )
        return logs

    def _assign_on_torch(self, logs: Any) -> Any:
        momentum = self._momentum_after(self.optimizer._iterations)
        for average, weight in self._moving:
            average.assign(momentum * average + (1.0 - momentum) * weight)
        return logs

    def _updated_state(self, outputs: Any) -> tuple:
        logs, (trainable, non_trainable, optimizer, metrics) = outputs
        values = dict(zip(map(id, self.trainable_variables), trainable, strict=True))
        values |= zip(map(id, self.non_trainable_variables), non_trainable, strict=True)
        iterations = dict(zip(map(id, self.optimizer.variables), optimizer, strict=True))[
            id(self.optimizer._iterations)
        ]
        momentum = self._momentum_after(iterations)
        for average, weight in self._moving:
            moved = momentum * values[id(average)] + (1.0 - momentum) * values[id(weight)]
            values[id(average)] = moved
        non_trainable = [values[id(variable)] for variable in self.non_trainable_variables]
        return logs, (trainable, non_trainable, optimizer, metrics)


def _copy(variable: keras.Variable) -> Any:
    """Returns a copy of the value: JAX donates a step's memory only once."""
    value = variable.value
    return value.detach().clone() if keras.backend.backend() == "torch" else ops.copy(value)
