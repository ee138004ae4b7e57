"""Training of one set of weights at several image sizes."""

import collections
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_cabvit.weights.counterpart import counterpart
from keras_cabvit.weights.resampling import Grid, resampling_matrices
from keras_cabvit.weights.transfer import token_grids
from training.optimization.averaged_model import AveragedModel


class _Pair(NamedTuple):
    """A variable of the model and that of its counterpart for another size, with their grids."""

    weight: keras.Variable
    other: keras.Variable
    grid: Grid | None
    other_grid: Grid | None


class SeveralSizesModel(AveragedModel):
    """An `AveragedModel` that shows each part of a training batch at another image size.

    There is one set of weights, those of the given model. For another size, weights that belong to
    a token grid are resampled inside the training step, as `keras_cabvit.weights` resamples them,
    so that gradients of every size reach the same weights; BatchNorm's moving statistics are
    updated size by size. In evaluation images keep their size.

    Args:
        model: the functional model of the largest size.
        sides: sides in pixels of square images, the model's own included. A batch is divided among
            them in equal parts, up to one image; a side given twice gets two parts.
        *args: further arguments of `AveragedModel`.
    """

    def __init__(self, model: keras.Model, sides: Sequence[int], *args: Any):
        super().__init__(model, *args)
        own = model.input_shape[1]
        parts = collections.Counter(sides)
        self._ends = list(itertools.accumulate([parts.pop(own), *parts.values()]))
        others = [counterpart(model, (side, side)) for side in parts]
        pairs = [(other, _pairs(model, other)) for other in others]
        # Parts that are frozen in the model are frozen here too: its config says so. In a function,
        # where Keras does not find the models: their own variables are never used.
        self._others = lambda: pairs

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns scores (batch, classes) of images of the model's size."""
        if not training:
            return super().call(inputs, training=training, mask=mask)
        others = self._others()
        count = ops.shape(inputs)[0]
        ends = [count * end // self._ends[-1] for end in self._ends]
        scores = [super().call(inputs[: ends[0]], training=True)]
        for (model, pairs), start, end in zip(others, ends[:-1], ends[1:], strict=True):
            images = ops.image.resize(
                inputs[start:end],
                model.input_shape[1:3],
                interpolation="bicubic",
                antialias=True,
                data_format="channels_last",
            )
            scores.append(_scores(model, pairs, ops.clip(images, 0, 255)))
        return ops.concatenate(scores, axis=0)


def _scores(model: keras.Model, pairs: list[_Pair], images: Any) -> Any:
    """Calls a model in training with the weights of another, whose statistics it moves."""
    values = [(pair.other, _resampled(pair)) for pair in pairs]
    with keras.StatelessScope(state_mapping=values) as scope:
        given = [scope.get_current_value(pair.other) for pair in pairs]
        scores = model(images, training=True)
    for pair, before in zip(pairs, given, strict=True):
        # Statistics and seeds. A frozen weight is as it was, or rounded to the precision of layers.
        moved = scope.get_current_value(pair.other)
        if not pair.weight.trainable and pair.grid is None and moved is not before:
            pair.weight.assign(moved)
    return scores


def _resampled(pair: _Pair) -> Any:
    weight, other, old, new = pair
    value = weight.value
    if old is None or new is None:
        return value
    for axis, matrix in resampling_matrices(weight.name, weight.shape, other.shape, old, new):
        matrix = ops.convert_to_tensor(matrix, dtype=value.dtype)
        value = ops.moveaxis(ops.tensordot(value, matrix, axes=[[axis], [0]]), -1, axis)
    return value


def _pairs(model: keras.Model, other: keras.Model) -> list[_Pair]:
    """Returns each variable of a model and of its counterpart, and the token grids of both."""
    grids, other_grids = token_grids(model), token_grids(other)
    return [
        _Pair(weight, own, grids.get(id(weight)), other_grids.get(id(own)))
        for weight, own in zip(model.variables, other.variables, strict=True)
    ]
