"""Checks of the size and rate arguments that the builders share."""

import math
import numbers

from keras_cabvit.layers.numpy_arguments import is_positive_integer


def check_positive_integers(**sizes):
    """Raises a ValueError that names the first argument that is not a positive integer."""
    for argument, value in sizes.items():
        if not is_positive_integer(value):
            raise ValueError(f"`{argument}` must be a positive `int`. Received: {value!r}")


def check_integer_sequence(argument, values, length):
    """Raises a ValueError if `values` are not `length` positive integers."""
    sequence = isinstance(values, (list, tuple))
    if not sequence or len(values) != length or not all(map(is_positive_integer, values)):
        raise ValueError(
            f"`{argument}` must be {length} positive `int`s. Received: {argument}={values}"
        )


def check_common(mlp_ratio, layer_scale_init, max_digests, **rates):
    """Raises a ValueError if an argument that both families take is out of range.

    The arguments are the builders' own; `rates` are the dropout and stochastic depth rates.
    """
    if not _is_finite(mlp_ratio) or mlp_ratio <= 0:
        raise ValueError(f"`mlp_ratio` must be a finite number above 0. Received: {mlp_ratio!r}")
    if layer_scale_init is not None and not _is_finite(layer_scale_init):
        raise ValueError(
            f"`layer_scale_init` must be a finite number or None. Received: {layer_scale_init!r}"
        )
    if max_digests != 0 and not is_positive_integer(max_digests):
        raise ValueError(
            "`max_digests` must be an integer, 0 (no digest tokens) or more. "
            f"Received: max_digests={max_digests!r}"
        )
    for argument, rate in rates.items():
        if not isinstance(rate, numbers.Real) or not 0 <= rate < 1:
            raise ValueError(f"`{argument}` must be at least 0 and below 1. Received: {rate!r}")


def _is_finite(value):
    return isinstance(value, numbers.Real) and math.isfinite(value)
