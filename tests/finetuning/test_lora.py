"""LoRA on named layers: only it trains, and it is stored as it is."""

import warnings

import keras
import numpy as np
import pytest
import tiny_models
from tiny_models import filled, outputs

from keras_cabvit.finetuning import enable_lora, freeze
from keras_cabvit.inference import fuse


def adapted(rank=2, seed=1, **options):
    """Returns `two_blocks` with LoRA, whose weights all have random values."""
    model = tiny_models.two_blocks(activation=None)
    enable_lora(model, rank, **options)
    return filled(model, seed)


def maps(seed=0, count=4):
    return np.random.default_rng(seed).standard_normal((count, 5, 3, 8)).astype("float32")


def trainable(model):
    return [weight.path for weight in model.trainable_weights]


def compiled(model):
    model.compile(keras.optimizers.AdamW(1e-2), keras.losses.CategoricalCrossentropy(True))
    return model


def steps_as_they_are(model):
    """Keeps TensorFlow from tracing steps, which takes longer than the four that are trained."""
    if keras.config.backend() == "tensorflow":
        model.run_eagerly = True
    return model


def train(model, seed):
    model.fit(maps(seed, 8), np.eye(3)[np.arange(8) % 3], batch_size=4, shuffle=False, verbose=0)


def reloaded(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def quantise(model, mode):
    with warnings.catch_warnings(action="ignore"):  # about layers that cannot be quantised
        model.quantize(mode)


def test_only_the_factors_of_the_named_layers_and_the_classifier_are_trained():
    model = filled(tiny_models.two_blocks())
    before = outputs(model, maps())
    found = enable_lora(model, 2, layers=["stage_2/*/attention/query", "expand"])

    attention = [f"stage_2/block_{index}/attention/query" for index in (0, 1)]
    mlps = [f"{path}/channel_mixing/expand" for path in ("stage_1_block_0", "stage_2/block_0")]
    paths = [*attention, *mlps, "stage_2/block_1/channel_mixing/expand"]
    assert [layer.path for layer in found] == paths
    factors = {f"{path}/lora_kernel_{factor}" for path in paths for factor in "ab"}
    assert {*trainable(model)} == {*factors, "predictions/kernel", "predictions/bias"}
    np.testing.assert_array_equal(outputs(model, maps()), before)
    model(maps(), training=True)  # BatchNorm's statistics stay
    np.testing.assert_array_equal(outputs(model, maps()), before)


def test_layers_around_a_model_are_not_affected_and_others_can_be_trained_in_full():
    backbone = tiny_models.two_blocks()
    head = keras.layers.Dense(2, name="head")
    whole = keras.Sequential([backbone, head], name="sequential")
    enable_lora(backbone, 1, layers=["stage_2/block_1/attention/query"], train=["merging_2/*/norm"])

    assert {path.rpartition("/")[0] for path in trainable(whole)} == {
        "stage_2/block_1/attention/query",
        *(f"merging_2/{name}/norm" for name in ("expand", "depthwise", "project")),
        "sequential/head",
    }


@pytest.mark.parametrize("name", ["quer", "uery", "stage_2/query", "attention", "predictions"])
def test_names_are_matched_whole_and_must_be_those_of_dense_layers_in_blocks(name):
    model = tiny_models.two_blocks()
    with pytest.raises(ValueError, match=r"expand, project, query, key_value, projection.*Recei"):
        enable_lora(model, 2, layers=["query", name])
    assert all(layer.trainable for layer in model.layers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "`rank` must be a positive integer"),
        ({"rank": True}, "`rank` must be a positive integer"),
        ({"alpha": 0}, "`alpha` must be a finite number above 0"),
        ({"alpha": float("nan")}, "`alpha` must be a finite number above 0.*nan"),
        ({"alpha": float("inf")}, "`alpha` must be a finite number above 0.*inf"),
        ({"layers": "query"}, "`layers` must be a list of names"),
        ({"layers": []}, "`layers` must name at least one layer"),
        ({"train": ["predict"]}, "`train` must name layers of the model .* Received: predict"),
    ],
)
def test_wrong_argument_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        enable_lora(tiny_models.two_blocks(), **{"rank": 2} | options)


def test_lora_twice_and_on_float8_is_refused():
    model = adapted()
    with pytest.raises(ValueError, match=r"'stage_2/block_0/attention/query' has LoRA of rank 2"):
        enable_lora(model, 2, layers=["expand", "query"])
    model = tiny_models.two_blocks()
    quantise(model, "float8")
    with pytest.raises(ValueError, match=r"is quantised to float8, which Keras does not combine"):
        enable_lora(model, 2)


@pytest.mark.every_backend
def test_loaded_model_is_the_same_and_continues_to_train_in_the_same_steps(tmp_path):
    model = compiled(adapted(rank=np.int64(3), alpha=np.float32(6), layers=["query", "project"]))
    train(steps_as_they_are(model), seed=1)
    loaded = steps_as_they_are(reloaded(model, tmp_path))

    assert trainable(loaded) == trainable(model)
    assert loaded.to_json() == model.to_json()
    for weight, other in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (weight, other)))
    before = [np.array(weight) for weight in model.get_weights()]
    for each in (model, loaded):
        train(each, seed=2)
    moved = set()
    weights = zip(model.weights, loaded.get_weights(), model.get_weights(), before, strict=True)
    for weight, found, expected, start in weights:
        np.testing.assert_array_equal(found, expected)
        if not np.array_equal(expected, start):
            moved.add(weight.path)
    assert moved == {*trainable(model)}


@pytest.mark.parametrize("mode", ["int8", "int4"])
@pytest.mark.parametrize("first", ["lora", "quantise"])
def test_quantised_model_with_lora_is_loaded_exactly_and_fused(mode, first, tmp_path):
    model = filled(tiny_models.two_blocks(activation=None))
    if first == "lora":
        enable_lora(model, 2)
    quantise(model, mode)
    if first == "quantise":
        enable_lora(model, 2)
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers():
        for factor in (getattr(layer, f"lora_kernel_{name}", None) for name in "ab"):
            if factor is not None:
                factor.assign(0.5 * rng.standard_normal(factor.shape))
    expected = outputs(model, maps())
    loaded = reloaded(model, tmp_path)

    np.testing.assert_array_equal(outputs(loaded, maps()), expected)
    assert trainable(loaded) == trainable(model)
    tolerance = {"int8": 0.03, "int4": 1e-5}[mode] * np.abs(expected).max()
    np.testing.assert_allclose(outputs(fuse(loaded), maps()), expected, atol=tolerance)


def test_float8_leaves_layers_with_lora_as_they_are():
    model = adapted()
    expected = [layer for layer in model._flatten_layers() if getattr(layer, "lora_enabled", False)]
    with pytest.warns(UserWarning, match="'query' has LoRA, which Keras combines with int8 and"):
        model.quantize("float8")
    assert {layer.quantization_mode for layer in expected} == {None}
    assert model.get_layer("predictions").quantization_mode == "float8"


def test_weights_without_lora_are_loaded_into_a_model_with_it_but_not_the_reverse(tmp_path):
    plain, model = filled(tiny_models.two_blocks(activation=None)), adapted(seed=2)
    plain.save_weights(tmp_path / "plain.weights.h5")
    model.save_weights(tmp_path / "adapted.weights.h5")
    model.load_weights(tmp_path / "plain.weights.h5")

    np.testing.assert_array_equal(outputs(model, maps()), outputs(plain, maps()))
    query = model.get_layer("stage_2").blocks[0].attention.query
    assert np.any(query.lora_kernel_a)  # otherwise neither factor would have a gradient
    with pytest.raises(ValueError, match=r"(?s)contain LoRA factors, .*enable_lora"):
        plain.load_weights(tmp_path / "adapted.weights.h5")


def test_factors_that_were_frozen_stay_frozen(tmp_path):
    model = adapted(layers=["query", "expand"])
    freeze(model, ["stage_2", "stage_1_block_0/channel_mixing/expand"])
    assert trainable(model) == ["predictions/kernel", "predictions/bias"]

    loaded = reloaded(model, tmp_path)
    assert trainable(loaded) == trainable(model)
    np.testing.assert_array_equal(outputs(loaded, maps()), outputs(model, maps()))
