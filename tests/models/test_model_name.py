"""A model's name has no effect: nothing depends on it."""

import numpy as np
import pytest
import tiny_models
from tiny_models import filled, images, outputs

import keras_cabvit
from keras_cabvit.models import count_complexity
from keras_cabvit.pytorch.parameters import torch_parameters

# The first two are names of layers inside these models.
named_models = pytest.mark.parametrize(
    ("builder", "name"),
    [
        (tiny_models.hybrid, "stage_2"),
        (tiny_models.plain, "stage"),
        (tiny_models.plain, "my_model"),
    ],
)


@named_models
def test_a_name_does_not_change_the_model(builder, name, tmp_path):
    model, named = filled(builder()), builder(name=name)
    assert named.name == name
    assert count_complexity(named) == count_complexity(model)
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    named.load_weights(path)
    np.testing.assert_array_equal(outputs(named, images(model)), outputs(model, images(model)))


@named_models
def test_torch_parameters_of_a_named_model(builder, name):
    def state_dict(model):
        rng = np.random.default_rng(0)
        return {p.name: rng.random(p.shape, "float32") for p in torch_parameters(model)}

    model, named = builder(), builder(name=name)
    for each in (model, named):
        keras_cabvit.pytorch.load_torch_state_dict(each, state_dict(model))
    np.testing.assert_array_equal(outputs(named, images(model)), outputs(model, images(model)))
