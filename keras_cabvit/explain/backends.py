"""Running a function of a model once or with its gradient, on Keras' current backend."""

from collections.abc import Callable
from typing import Any

import keras


def for_inference(model: keras.Model, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Returns a function that records nothing for a backward pass, compiled as one on JAX.

    Args:
        model: the model whose variables the function uses.
        function: function from an array or tensor to a nested structure of tensors.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        return _compiled_by_jax(model, function)
    if backend == "torch":
        import torch

        return torch.no_grad()(function)
    return function


def gradient(
    model: keras.Model, function: Callable[[Any, Any], tuple[Any, Any]]
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Returns a function that differentiates a number with respect to the second argument.

    Args:
        model: the model whose variables the function uses.
        function: function of two arguments, a structure of arrays and a tensor, that returns a
            scalar and another structure of tensors.

    Returns:
        A function of the same arguments that returns the gradient, in the shape of the second
        argument, and the other structure.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return _compiled_by_jax(model, jax.grad(function, argnums=1, has_aux=True))

    def with_tape(given: Any, x: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        x = tf.convert_to_tensor(x)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            scalar, others = function(given, x)
        return tape.gradient(scalar, x), others

    def with_graph(given: Any, x: Any) -> tuple[Any, Any]:
        import torch

        x = x.detach().requires_grad_()
        with torch.enable_grad():
            scalar, others = function(given, x)
        (found,) = torch.autograd.grad(scalar, x)
        return found, keras.tree.map_structure(torch.Tensor.detach, others)

    return with_graph if backend == "torch" else with_tape


def _compiled_by_jax(model: keras.Model, function: Callable) -> Callable:
    """Compiles a function as a whole: JAX takes five times as long for one operation at a time."""
    import jax

    variables = model.variables

    @jax.jit
    def run(values: Any, *args: Any) -> Any:
        with keras.StatelessScope(zip(variables, values, strict=True)):
            return function(*args)

    return lambda *args: run([variable.value for variable in variables], *args)
