"""A wrong argument raises a ValueError that names it and says what would be right."""

import math

import keras
import numpy as np
import pytest
import tiny_models

import keras_cabvit
from keras_cabvit.models import build_variant

# (arguments, pattern of the message), for both families.
WRONG = [
    ({"input_shape": (100, 64, 3)}, r"`input_shape` must .* multiples of \d+, such as \d+x64"),
    ({"input_shape": (64, 64)}, r"`input_shape` must be \(height, width, channels\)"),
    ({"input_shape": 64}, r"`input_shape` must be \(height, width, channels\)"),
    ({"input_shape": (None, None, 3)}, "`input_shape` must give height and width as integers"),
    ({"input_shape": (64, 64, 1)}, "`input_shape` must have 3 channels.*include_preprocessing=F"),
    ({"input_shape": (0, 64, 3)}, "`input_shape` must be three positive"),
    ({"input_shape": (64.0, 64, 3)}, "`input_shape` must be three positive"),
    (
        {"input_shape": (64, 64, None), "include_preprocessing": False},
        "`input_shape` must be three positive",
    ),
    ({"pooling": "mean"}, r"`pooling` must be one of \(None, 'avg', 'max'.*'mean'"),
    ({"pooling": "avg"}, "`pooling` .* pass include_top=False, or pooling=None"),
    ({"classes": 0}, "`classes` must be a positive `int`.*0"),
    ({"classes": 2.5}, "`classes` must be a positive `int`.*2.5"),
    ({"classes": True}, "`classes` must be a positive `int`.*True"),
    ({"classifier_activation": "sofmax"}, "`classifier_activation` must be .*'sofmax'"),
    ({"weights": "imagenet"}, '`weights="imagenet"` belongs to the named variants'),
    ({"weights": "no such.weights.h5"}, "`weights` must be None, .* no such file.*no such"),
    ({"weights": 3}, "`weights` must be None, .* the path of a weights file"),
    ({"weights": __file__}, "`weights` must .* ends in .weights.h5.*cabvit convert"),
    ({"input_tensor": np.ones((1, 64, 64, 3))}, "`input_tensor` must be a Keras tensor.*ndarray"),
    ({"mlp_ratio": 0}, "`mlp_ratio` must be a finite number above 0"),
    ({"mlp_ratio": math.nan}, "`mlp_ratio` must be a finite number above 0.*nan"),
    ({"mlp_ratio": math.inf}, "`mlp_ratio` must be a finite number above 0.*inf"),
    ({"layer_scale_init": "small"}, "`layer_scale_init` must be a finite number or None"),
    ({"layer_scale_init": math.nan}, "`layer_scale_init` must be a finite number or None.*nan"),
    ({"layer_scale_init": -math.inf}, "`layer_scale_init` must be a finite number or None.*inf"),
    ({"max_digests": -1}, "`max_digests` must be an integer, 0"),
    ({"max_digests": 1.5}, "`max_digests` must be an integer, 0"),
    ({"drop_rate": 1.0}, "`drop_rate` must be at least 0 and below 1"),
    ({"attention_drop_rate": -0.1}, "`attention_drop_rate` must be at least 0 and below 1"),
    ({"drop_path_rate": 1.5}, "`drop_path_rate` must be at least 0 and below 1"),
]
HYBRID_WRONG = [
    ({"pooling": "token", "include_top": False}, r"`pooling` must be one of .*'max'\)"),
    ({"input_shape": (48, 64, 3)}, r"multiples of 32, such as \d+x64"),
    ({"embed_dims": (8, 16, 32)}, "`embed_dims` must be 4 positive"),
    ({"embed_dims": (7, 16, 32, 64)}, "`embed_dims` must begin with an even number"),
    ({"depths": (1, 0, 1, 1)}, "`depths` must be 4 positive"),
    ({"depths": (1, 1, 1, 1.0)}, "`depths` must be 4 positive"),
    ({"num_heads": 2}, "`num_heads` must be 2 positive"),
    ({"num_heads": (3, 4)}, "`num_heads` must divide the channels of its stage"),
    ({"windowed": 48}, "`windowed` must be True, False or the side .* multiple of 32.*48"),
    ({"windowed": "yes"}, "`windowed` must be True, False or the side in pixels.*'yes'"),
    ({"windowed": 0}, "`windowed` must be True, False or the side in pixels.*0"),
    ({"windowed": True, "input_shape": (None, 72, 3)}, "multiples of 32, such as 64. Received"),
]
PLAIN_WRONG = [
    ({"input_shape": (44, 64, 3)}, r"multiples of 8, such as \d+x64"),
    ({"embed_dim": 0}, "`embed_dim` must be a positive"),
    ({"depth": 0}, "`depth` must be a positive"),
    ({"num_heads": 0}, "`num_heads` must be a positive"),
    ({"num_heads": 5}, "`num_heads` must divide `embed_dim`.*num_heads=5, embed_dim=24"),
    ({"patch_size": 0}, "`patch_size` must be a positive"),
    ({"windowed": True}, "`windowed` must be False for a plain model.*keras_cabvit.CabViTH_T"),
]
CASES = [(tiny_models.hybrid, *case) for case in WRONG + HYBRID_WRONG]
CASES += [(tiny_models.plain, *case) for case in WRONG + PLAIN_WRONG]


@pytest.mark.parametrize(("builder", "arguments", "sentence"), CASES)
def test_wrong_argument(builder, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        builder(**arguments)


@pytest.mark.parametrize("builder", [tiny_models.hybrid, tiny_models.plain])
def test_tensor_and_shape_that_disagree(builder):
    with pytest.raises(ValueError, match="`input_shape` and `input_tensor` must agree"):
        builder(input_tensor=keras.Input((64, 96, 3)), input_shape=(64, 64, 3))


@pytest.mark.parametrize("builder", [tiny_models.hybrid, tiny_models.plain])
def test_tensor_of_unknown_size(builder):
    with pytest.raises(ValueError, match="`input_shape` must give height and width as integers"):
        builder(input_tensor=keras.Input((None, None, 3)), input_shape=None)


@pytest.mark.parametrize("builder", [tiny_models.hybrid, tiny_models.plain])
def test_activation_that_weights_were_not_trained_with(builder, tmp_path):
    path = tmp_path / "model.weights.h5"
    builder().save_weights(path)
    with pytest.raises(ValueError, match=r"`classifier_activation` must be .* when `weights`"):
        builder(weights=path, classifier_activation="relu")


def test_weights_of_a_model_with_other_arguments(tmp_path):
    path = tmp_path / "model.weights.h5"
    tiny_models.plain().save_weights(path)
    with pytest.raises(ValueError, match=r"do not fit model .*same arguments"):
        tiny_models.plain(weights=path, depth=4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"classes": 10}, '`classes` must be 1000 with weights="imagenet".*include_top=False'),
        ({"classifier_activation": "relu"}, "`classifier_activation` must be .* when `weights`"),
    ],
)
def test_arguments_incompatible_with_imagenet(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        keras_cabvit.CabViTP_T(weights="imagenet", **arguments)


def test_windows_of_a_named_plain_model():
    with pytest.raises(ValueError, match="`windowed` must be False for a plain model"):
        keras_cabvit.CabViTP_T(windowed=True, input_shape=(None, None, 3))


def test_windows_of_weights_for_another_shape(tmp_path):
    tiny_models.hybrid(input_shape=(64, 96, 3)).save_weights(tmp_path / "wide.weights.h5")
    with pytest.raises(ValueError, match=r"64x96 images, and windows are square.*windowed=96"):
        tiny_models.hybrid(windowed=True, weights=tmp_path / "wide.weights.h5")


def test_unknown_variant():
    with pytest.raises(ValueError, match=r"`variant` must be one of CabViTH_T, .*'CabViTH_XL'"):
        build_variant("CabViTH_XL")
