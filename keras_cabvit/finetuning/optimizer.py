"""An optimizer around any other that gives each layer a learning rate of its own."""

import math
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras

from keras_cabvit.finetuning.decay import factor_of
from keras_cabvit.layers.numpy_arguments import as_python

_MULTI_OPTIMIZER = getattr(keras.optimizers, "MultiOptimizer", ())


@keras.saving.register_keras_serializable(package="keras_cabvit")
class LayerwiseOptimizer(keras.optimizers.Optimizer):
    """Multiplies the learning rate of each variable by the factor of its layer.

    The rate itself is multiplied wherever the wrapped optimizer uses it, in its step and in its
    weight decay. (Scaled gradients would do nothing under Adam, which divides by their size.)
    Everything else is the wrapped optimizer's: its moments, clipping, gradient accumulation,
    averages (`use_ema`), loss scaling, schedule and state. With factors of 1 the steps are the same
    bit for bit.

    It is an optimizer for `model.compile` on every backend, also under `tf.distribute` and with
    `steps_per_execution`; a `.keras` file stores it with its state. Callbacks read and set
    `learning_rate`, which is the rate of a factor of 1.

    Args:
        inner_optimizer: a new `keras.optimizers.Optimizer`, or its name; with this one around it,
            its steps always have the factors. Around a `LossScaleOptimizer` and inside one are both
            possible (Keras' callback `SwapEMAWeights` needs it inside); under the policy
            "mixed_float16" `model.compile` adds one itself, which then replaces the inner one.
        factors: dict from paths to factors, numbers of at least 0. A path is that of a variable
            ("stem/convolution_1/convolution/kernel") or of a layer, for all variables in it
            ("stage_2/block_0"); the longest path counts, and a variable without one has a factor
            of 1. `layerwise_rates` computes it.
        name: string, the optimizer's name.

    Raises:
        ValueError: an argument is wrong; or, when the optimizer is built, a path is that of no
            trainable variable.

    Example:
        >>> model = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3), classes=10)
        >>> optimizer = keras_cabvit.finetuning.LayerwiseOptimizer(
        ...     keras.optimizers.AdamW(1e-3, weight_decay=0.05),
        ...     keras_cabvit.finetuning.layerwise_rates(model, 0.8))
        >>> model.compile(optimizer, "sparse_categorical_crossentropy")
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer | str,
        factors: Mapping[str, float],
        name: str | None = None,
    ):
        inner = keras.optimizers.get(inner_optimizer)
        _check_optimizer(inner)
        super().__init__(learning_rate=0.0, name=name or "layerwise")
        for variable in list(self._variables):
            self._untrack_variable(variable)  # rate and steps are those of the inner optimizer
        self.inner_optimizer = inner
        self.factors = _checked_factors(factors)
        self._iterations = self._core()._iterations
        self.built: bool = False
        self._of_variable: list[float] = []
        self._decay_factor = 1.0
        self._multiply_rates()

    def _core(self) -> Any:
        """Returns the optimizer that moves the variables: the innermost."""
        optimizer = self.inner_optimizer
        while hasattr(optimizer, "inner_optimizer"):
            optimizer = optimizer.inner_optimizer
        return optimizer

    def _multiply_rates(self) -> None:
        """Puts the factors between the core's way through a step and the rate it uses in each part.

        Once and for all, not in each call: `tf.distribute` runs a call in several threads.
        """
        core = self._core()
        update_step, apply_weight_decay = core.update_step, core._apply_weight_decay
        current_rate = core._get_current_learning_rate

        def scaled_update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
            factor = self._of_variable[core._get_variable_index(variable)]
            update_step(gradient, variable, _times(learning_rate, factor))

        def scaled_weight_decay(variables: Sequence[Any]) -> None:
            # Without those excluded: on PyTorch Keras refuses a group that has no others.
            decayed = [each for each in variables if core._use_weight_decay(each)]
            for factor, places in self._groups(decayed):
                self._decay_factor = factor
                try:
                    apply_weight_decay([decayed[place] for place in places])
                finally:
                    self._decay_factor = 1.0

        core.update_step = scaled_update_step
        core._apply_weight_decay = scaled_weight_decay
        core._get_current_learning_rate = lambda: _times(current_rate(), self._decay_factor)
        if hasattr(core, "_parallel_update_step"):
            core._parallel_update_step = self._in_groups(core, core._parallel_update_step)

    def _in_groups(self, core: Any, update: Callable) -> Callable:
        """Returns PyTorch's step of all variables at once as one of those with each factor."""

        def scaled_update(grads: Sequence[Any], variables: Sequence[Any], rate: Any) -> None:
            # Nadam's only: a product of momenta, which each call moves and which all share.
            shared = getattr(core, "_u_product", None)
            before = None if shared is None else keras.ops.copy(shared.value)
            for factor, places in self._groups(variables):
                if shared is not None:
                    shared.assign(before)
                update(
                    [grads[place] for place in places],
                    [variables[place] for place in places],
                    _times(rate, factor),
                )

        return scaled_update

    def _groups(self, variables: Sequence[Any]) -> Iterator[tuple[float, list[int]]]:
        """Yields each factor with the places of the variables that have it."""
        core = self._core()
        groups: dict[float, list[int]] = {}
        for place, variable in enumerate(variables):
            factor = self._of_variable[core._get_variable_index(variable)]
            groups.setdefault(factor, []).append(place)
        yield from groups.items()

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Builds the inner optimizer, and looks up the factor of each variable.

        Raises:
            ValueError: a path of `factors` is that of no variable.
        """
        if self.built:
            return
        paths = [variable.path for variable in variables]
        around = {path[:end] for path in paths for end in _ends(path)}
        unknown = [path for path in self.factors if path not in around]
        if unknown:
            raise ValueError(
                "`factors` must have paths of trainable variables, or of layers around them, such "
                f"as {paths[0]} or {paths[0].partition('/')[0]}. Received: {', '.join(unknown)}"
            )
        self._of_variable = [factor_of(path, self.factors) for path in paths]
        self.inner_optimizer.build(variables)
        self._trainable_variables = list(variables)
        self.built = True

    @property
    def variables(self) -> list[keras.Variable]:
        """The inner optimizer's variables; there are no others."""
        return self.inner_optimizer.variables

    @property
    def _model_variables_moving_average(self) -> Any:
        """The core's averages, where Keras' callback `SwapEMAWeights` looks for them."""
        return self._core()._model_variables_moving_average

    @property
    def iterations(self) -> Any:
        """The inner optimizer's number of steps."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's learning rate, that of a factor of 1. It can be set."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def loss_scale_factor(self) -> float | None:
        """The inner optimizer's. A `LossScaleOptimizer` around this one sets it to None."""
        inner = self.__dict__.get("inner_optimizer")
        if isinstance(inner, keras.optimizers.LossScaleOptimizer):
            return inner.initial_scale  # TensorFlow sets no attribute to the value that it has
        return None if inner is None else inner.loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        if "inner_optimizer" not in self.__dict__:
            return  # Keras' own constructor
        if isinstance(self.inner_optimizer, keras.optimizers.LossScaleOptimizer):
            # The one around this scales the loss from now on: two would divide gradients twice.
            self.inner_optimizer = self.inner_optimizer.inner_optimizer
        self.inner_optimizer.loss_scale_factor = value

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Excludes variables from the inner optimizer's weight decay."""
        self._core().exclude_from_weight_decay(var_list, var_names)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Takes one step of the inner optimizer, with the factors."""
        if not self.built and trainable_variables is not None:
            self.build(list(trainable_variables))
        self.inner_optimizer.apply(grads, trainable_variables)

    def stateless_apply(
        self, optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> tuple:
        """Returns the variables after one step of the inner optimizer, with the factors."""
        return self.inner_optimizer.stateless_apply(optimizer_variables, grads, trainable_variables)

    def scale_loss(self, loss: Any) -> Any:
        """Scales the loss as the inner optimizer does."""
        return self.inner_optimizer.scale_loss(loss)

    def finalize_variable_values(self, var_list: Any) -> None:
        """Sets the variables to their averages, if the inner optimizer keeps any."""
        self.inner_optimizer.finalize_variable_values(var_list)
        if keras.backend.backend() == "jax" and self._core().use_ema:
            for variable in var_list:
                # Keras leaves variable and average in the same memory, which `fit` frees twice.
                variable.assign(keras.ops.copy(variable.value))

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the variables of the inner optimizer, in their order."""
        for variable, weight in zip(self.variables, weights, strict=True):
            variable.assign(weight)

    def save_own_variables(self, store: Any) -> None:
        """Stores nothing: Keras stores the inner optimizer itself."""

    def load_own_variables(self, store: Any) -> None:
        """Loads nothing: Keras loads the inner optimizer itself."""

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "name": self.name,
            "inner_optimizer": keras.saving.serialize_keras_object(self.inner_optimizer),
            "factors": dict(self.factors),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "LayerwiseOptimizer":
        """Creates the optimizer from its config."""
        inner = keras.saving.deserialize_keras_object(
            config["inner_optimizer"], custom_objects=custom_objects
        )
        return cls(**{**config, "inner_optimizer": inner})


def _times(rate: Any, factor: float) -> Any:
    return rate if factor == 1.0 else rate * factor


def _ends(path: str) -> list[int]:
    """Returns the lengths of a path's beginnings that are whole names."""
    return [place for place, character in enumerate(path) if character == "/"] + [len(path)]


def _check_optimizer(optimizer: Any) -> None:
    if isinstance(optimizer, _MULTI_OPTIMIZER):
        raise ValueError(
            "`inner_optimizer` must be a single optimizer: put each optimizer of a MultiOptimizer "
            "into a LayerwiseOptimizer instead."
        )
    if optimizer.built:
        raise ValueError(
            "`inner_optimizer` must be new. Received: an optimizer of type "
            f"{type(optimizer).__name__} that is built, for other steps than these"
        )


def _checked_factors(factors: Mapping[str, float]) -> dict[str, float]:
    def is_factor(value: Any) -> bool:
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        return number and math.isfinite(value) and value >= 0

    if not isinstance(factors, Mapping):
        raise ValueError(
            "`factors` must be a dict from paths to numbers, such as {'stem': 0.1}. "
            f"Received: {factors!r}"
        )
    checked = {path: as_python(value) for path, value in factors.items()}
    wrong = [path for path, value in checked.items() if not is_factor(value)]
    if wrong or not all(isinstance(path, str) for path in checked):
        raise ValueError(
            "`factors` must be a dict from paths to finite numbers of at least 0. Received: "
            f"{ {path: factors[path] for path in wrong or checked} }"
        )
    return {path: float(value) for path, value in checked.items()}
