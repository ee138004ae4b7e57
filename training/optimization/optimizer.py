"""The optimizer of a recipe: AdamW, its schedule and its weight decay."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_cabvit.finetuning import layerwise_rates
from keras_cabvit.finetuning.decay import factor_of
from keras_cabvit.layers import PatchEmbedding
from training.recipes.recipe import Recipe


def make_optimizer(
    model: keras.Model,
    recipe: Recipe,
    steps_per_epoch: int,
    learning_rate: float | None = None,
) -> "LayerwiseAdamW":
    """Returns AdamW with linear warm-up, cosine decay and the authors' decay groups.

    Args:
        model: the model to train.
        recipe: `Recipe`.
        steps_per_epoch: integer, batches per epoch.
        learning_rate: float, a constant; None is the recipe's schedule.
    """
    options = recipe.optimization
    if learning_rate is None:
        learning_rate = learning_rate_schedule(recipe, steps_per_epoch)
    return LayerwiseAdamW(
        learning_rate,
        without_decay=variables_without_decay(model),
        rate_factors=layerwise_rates(model, options.layer_decay),
        decay=options.weight_decay,
        beta_1=options.beta_1,
        beta_2=options.beta_2,
        epsilon=options.epsilon,
        global_clipnorm=options.clip_norm,
        gradient_accumulation_steps=(
            options.accumulation_steps if options.accumulation_steps > 1 else None
        ),
        name="adamw",
    )


def learning_rate_schedule(
    recipe: Recipe, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns the Keras schedule of a recipe: linear warm-up from 0, then a cosine.

    It counts batches, including those whose gradients are only accumulated.

    Args:
        recipe: `Recipe`.
        steps_per_epoch: integer, batches per epoch.

    Raises:
        ValueError: the recipe has no epochs, or fewer than its warm-up.
    """
    options = recipe.optimization
    if recipe.epochs < max(1, options.warmup_epochs):
        raise ValueError(
            "`epochs` must be at least 1, and not fewer than `warmup_epochs`. Received: "
            f"epochs={recipe.epochs}, warmup_epochs={options.warmup_epochs:g}"
        )
    peak = _peak_learning_rate(recipe)
    warmup_steps = round(options.warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=peak,
        warmup_steps=warmup_steps,
        decay_steps=max(1, recipe.epochs * steps_per_epoch - warmup_steps),
        alpha=options.final_learning_rate / peak,
    )


def _peak_learning_rate(recipe: Recipe) -> float:
    """Returns the learning rate after the warm-up, by the images per update of the weights."""
    options = recipe.optimization
    if not options.learning_rate_batch:
        return options.learning_rate
    images = recipe.batch_size * options.accumulation_steps
    return options.learning_rate * (images / options.learning_rate_batch)


def check_final_learning_rate(recipe: Recipe) -> None:
    """Raises a ValueError if the cosine of the learning rate would rise, not fall."""
    peak, final = _peak_learning_rate(recipe), recipe.optimization.final_learning_rate
    if final > peak * (1 + 1e-6):  # equal ones may be rounded otherwise
        raise ValueError(
            f"`optimization.final_learning_rate` must be at most {peak:g}, the learning rate after "
            f"the warm-up. Received: {final:g}"
        )


class LayerwiseAdamW(keras.optimizers.Adam):
    """AdamW with a separate learning rate for each variable.

    Keras' AdamW has one learning rate for all, and clips each device's part of the gradients alone.

    Args:
        learning_rate: float or schedule.
        without_decay: list of variables that do not decay.
        rate_factors: dict from paths of layers or variables to factors of their learning rates, by
            default 1.
        decay: float, the weight decay.
        **kwargs: arguments of `keras.optimizers.Adam`.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        without_decay: Sequence[keras.Variable] = (),
        rate_factors: dict[str, float] | None = None,
        decay: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, **kwargs)
        self.decay = decay
        self._without_decay = {id(variable) for variable in without_decay}
        self._rate_factors = rate_factors or {}

    def build(self, variables: list[keras.Variable]) -> None:
        """Creates the moments, and looks up the factors of each variable."""
        self._decays = [id(variable) not in self._without_decay for variable in variables]
        self._factors = [factor_of(variable.path, self._rate_factors) for variable in variables]
        super().build(variables)

    def learning_rate_of(self, step: int) -> float:
        """Returns the learning rate after a number of batches, as a float.

        Unlike `learning_rate` it reads no variable, so one of several processes can ask for it.

        Args:
            step: integer.
        """
        return float(self._learning_rate(step))

    def _clip_gradients(self, grads: list) -> list:
        """Clips the gradients of the whole batch; Keras would clip each device's part alone."""
        if not self.global_clipnorm or keras.backend.backend() != "tensorflow":
            return super()._clip_gradients(grads)
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return super()._clip_gradients(grads)
        clipped = super()._clip_gradients(context.all_reduce(tf.distribute.ReduceOp.SUM, grads))
        # Keras sums the devices' gradients after this.
        return [gradient / context.num_replicas_in_sync for gradient in clipped]

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """Decays one variable and moves it against its gradient."""
        index = self._get_variable_index(variable)
        rate = ops.cast(learning_rate, variable.dtype) * self._factors[index]
        if self.decay and self._decays[index]:
            self.assign_sub(variable, variable * (rate * self.decay))
        super().update_step(gradient, variable, rate)


def variables_without_decay(model: keras.Model) -> list[keras.Variable]:
    """Returns the trainable variables that do not decay, as in the authors' code.

    These are all vectors (biases, norms, LayerScale, the class token) and the plain model's
    positions. Position biases, digest biases and digest scale factors do decay.
    """
    positions = [
        layer.patch_positions for layer in model.layers if isinstance(layer, PatchEmbedding)
    ]
    return [variable for variable in model.trainable_variables if len(variable.shape) < 2] + (
        positions
    )
