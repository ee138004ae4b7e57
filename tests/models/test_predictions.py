"""`decode_predictions` and `list_models`."""

import keras
import numpy as np
import pytest

import keras_cabvit
from keras_cabvit.models import build_variant


def test_best_classes_come_first_with_their_scores():
    scores = np.zeros((2, 1000))
    scores[0, [0, 1, 999]] = 0.2, 0.5, 0.3
    scores[1, 207] = 1.0
    first, second = keras_cabvit.decode_predictions(scores, top=3)
    assert first == [
        ("n01443537", "goldfish", 0.5),
        ("n15075141", "toilet_tissue", 0.3),
        ("n01440764", "tench", 0.2),
    ]
    assert second[0] == ("n02099601", "golden_retriever", 1.0)


@pytest.mark.every_backend
def test_tensor_is_accepted_and_five_classes_are_named():
    scores = keras.ops.convert_to_tensor(np.random.default_rng(0).random((3, 1000)))
    decoded = keras_cabvit.decode_predictions(scores)
    assert [len(classes) for classes in decoded] == [5, 5, 5]


def test_every_class_has_its_own_id_and_name():
    (everything,) = keras_cabvit.decode_predictions(np.zeros((1, 1000)), top=1000)
    identifiers = [identifier for identifier, _, _ in everything]
    # ImageNet-1K's classes are in the order of their WordNet ids.
    assert identifiers == sorted(set(identifiers))
    assert len(identifiers) == 1000


@pytest.mark.parametrize("shape", [(1000,), (2, 10), (1, 2, 1000)])
def test_predictions_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"`preds` must be .* of shape \(batch, 1000\)"):
        keras_cabvit.decode_predictions(np.zeros(shape))


@pytest.mark.parametrize("top", [0, 1001])
def test_top_out_of_range(top):
    with pytest.raises(ValueError, match=f"`top` must be between 1 and 1000. Received: top={top}"):
        keras_cabvit.decode_predictions(np.zeros((1, 1000)), top=top)


def test_listed_models_are_public_functions_that_build_them():
    assert len(keras_cabvit.list_models()) == 7
    for variant in keras_cabvit.list_models():
        assert getattr(keras_cabvit, variant).__name__ == variant
        assert variant in keras_cabvit.__all__
    model = build_variant("CabViTP_T", input_shape=(32, 32, 3))
    assert model.name == "CabViTP_T"


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_integer_scores_are_ranked_by_their_values(dtype):
    info = np.iinfo(dtype)
    scores = np.full((1, 1000), info.min, dtype)
    scores[0, [5, 7]] = info.max, info.max - 9

    (found,) = keras_cabvit.decode_predictions(scores, top=2)
    assert [score for *_, score in found] == [info.max, info.max - 9]
