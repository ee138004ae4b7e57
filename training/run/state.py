"""The variables of a training run, converted to arrays and back."""

import keras
import numpy as np

_METRICS = "metrics"


def read_state(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns everything that training changes, as numpy arrays.

    These are the weights, their averages, the random state of dropout and stochastic depth, the
    optimizer's moments and step, and the metrics of the epoch so far.

    Args:
        model: a compiled model whose optimizer is built.

    Returns:
        Dict from a variable's group and position to an array.
    """
    if keras.backend.backend() == "jax":
        # Between two batches JAX holds the values, and they are not yet in the variables.
        model.jax_state_sync()
    groups = {"model": model.variables, "optimizer": model.optimizer.variables}
    groups[_METRICS] = model.metrics_variables
    return {
        name: np.array(keras.ops.convert_to_numpy(variable))
        for group, variables in groups.items()
        for name, variable in _named(group, variables)
    }


def write_state(model: keras.Model, arrays: dict[str, np.ndarray]) -> None:
    """Restores the values that `read_state` returned in model and optimizer.

    Args:
        model: a compiled model of the same architecture, whose optimizer is built.
        arrays: dict from `read_state`.

    Raises:
        ValueError: the arrays belong to another architecture. Nothing is changed.
    """
    groups = {"model": model.variables, "optimizer": model.optimizer.variables}
    pairs = []
    for group, variables in groups.items():
        held = sum(name.startswith(f"{group}/") for name in arrays)
        if held != len(variables):
            raise ValueError(
                f"The checkpoint belongs to another architecture: it holds {held} {group} "
                f"variables, and this run has {len(variables)}."
            )
        for name, variable in _named(group, variables):
            if arrays[name].shape != tuple(variable.shape):
                raise ValueError(
                    f"The checkpoint belongs to another architecture: {variable.path} is "
                    f"{arrays[name].shape} in it, and {tuple(variable.shape)} in this run."
                )
            pairs.append((variable, arrays[name]))
    for variable, value in pairs:
        variable.assign(value)


def write_metrics(model: keras.Model, arrays: dict[str, np.ndarray]) -> None:
    """Restores the metrics that `read_state` returned, inside an epoch.

    Args:
        model: a model that has seen the shapes of its first batch, as at the beginning of an epoch.
        arrays: dict from `read_state`.
    """
    for name, variable in _named(_METRICS, model.metrics_variables):
        variable.assign(arrays[name])


def _named(group: str, variables: list) -> list[tuple[str, keras.Variable]]:
    # The names that Keras gives vary between processes; the order does not.
    return [(f"{group}/{index:04d}", variable) for index, variable in enumerate(variables)]
