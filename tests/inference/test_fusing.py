import inspect
import warnings

import keras
import numpy as np
import pytest
import tiny_models
from tiny_models import filled, outputs

from keras_cabvit import inference, layers
from keras_cabvit.inference import ATTENTION_BIASES, FusedLayerNormalization, fuse
from keras_cabvit.inference.fusing import INFERENCE_CLASSES

BUILDERS = {"hybrid": tiny_models.hybrid, "plain": tiny_models.plain}


def built(kind, **changes):
    return filled(BUILDERS[kind](**{"classifier_activation": None} | changes))


def images_for(model, batch=2):
    shape = (batch, *model.input_shape[1:])
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


@pytest.mark.every_backend
@pytest.mark.parametrize(("kind", "attention_bias"), [("hybrid", "stored"), ("plain", "computed")])
def test_fused_model_gives_the_same_outputs_and_leaves_the_model_unchanged(kind, attention_bias):
    if (keras.config.backend(), kind) == ("jax", "hybrid"):
        # All layers of a hybrid model, which JAX compiles in a third of the time.
        model = filled(tiny_models.two_blocks(activation=None, stem=True))
    else:
        model = built(kind)
    images, before = images_for(model), model.get_weights()
    expected = outputs(model, images)
    fused = fuse(model, attention_bias)

    # Of the largest logit, of which float32 has 7 digits.
    tolerance = 1e-6 * np.abs(expected).max()
    np.testing.assert_allclose(outputs(fused, images), expected, rtol=0, atol=tolerance)
    for weight in fused.weights:
        weight.assign(np.zeros(weight.shape))
    for after, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(after, value)
    np.testing.assert_array_equal(outputs(model, images), expected)


@pytest.mark.torch_too
def test_normalization_that_was_adapted_to_images_stays_adapted():
    model = filled(tiny_models.two_blocks(activation=None))
    inputs = np.random.default_rng(0).uniform(0, 255, (4, 5, 3, 8)).astype("float32")
    normalization = keras.layers.Normalization()
    normalization.adapt(inputs)
    image = keras.Input(inputs.shape[1:])
    model = keras.Model(image, model(normalization(image)))

    np.testing.assert_allclose(outputs(fuse(model), inputs), outputs(model, inputs), atol=1e-5)


# The models' own forms, and those whose biases differ, with biases of both kinds.
FORMS = [
    *(({}, attention_bias) for attention_bias in ATTENTION_BIASES),
    *(({"max_digests": 0}, attention_bias) for attention_bias in ATTENTION_BIASES),
    ({"max_digests": 1, "depths": (1, 1, 3, 1)}, "stored"),
    ({"max_digests": 1, "depths": (1, 1, 3, 1)}, "computed"),
    ({"layer_scale_init": None}, "stored"),
    ({"enhance": False}, "stored"),
    ({"scale_digests": False}, "stored"),
    ({"include_top": False}, "stored"),
    ({"include_preprocessing": False}, "stored"),
    ({"input_shape": (64, 96, 3)}, "computed"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "attention_bias"), FORMS, ids=str)
def test_every_form_of_a_model_can_be_fused(changes, attention_bias):
    changes = {"classifier_activation": "softmax", "depths": (1, 1, 2, 1)} | changes
    model = built("hybrid", **changes)
    images = images_for(model)

    expected = outputs(model, images)
    tolerance = 1e-5 * max(1, np.abs(expected).max())
    fused = fuse(model, attention_bias)
    np.testing.assert_allclose(outputs(fused, images), expected, atol=tolerance)


def test_everything_foldable_is_folded():
    kinds = {type(layer) for layer in fuse(built("hybrid"))._flatten_layers()}

    training_only = {
        *(keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.Dropout),
        *(layers.LayerScale, layers.DropPath, *INFERENCE_CLASSES),
    }
    assert not kinds & training_only


def test_inference_classes_are_separate_from_the_trainable_ones():
    trainable = tuple(getattr(layers, name) for name in layers.__all__)
    classes = [
        value for name in inference.__all__ if isinstance(value := getattr(inference, name), type)
    ]
    assert len(classes) == 8
    for each in classes:
        assert not issubclass(each, trainable)
        assert keras.saving.get_registered_object(f"keras_cabvit>{each.__name__}") is each
        assert "training" not in inspect.signature(each.call).parameters
        assert hasattr(each, "from_trained")


def test_every_layer_is_built_only_from_its_config():
    for model in (fuse(built("hybrid")), fuse(built("plain"), "computed")):
        for layer in list(model._flatten_layers())[1:]:
            copy = type(layer).from_config(layer.get_config())
            assert copy.get_config() == layer.get_config()
            assert copy.weights == []  # not built yet


def test_fused_model_is_not_trainable():
    assert not fuse(built("hybrid")).trainable_weights


@pytest.mark.slow
def test_scale_factors_of_any_size_and_sign_are_folded():
    model = built("hybrid")
    for layer in model._flatten_layers():
        if getattr(layer, "digest_scale", None) is not None:
            values = np.resize([0.0, -1e-4, 3e-3, -40.0, 1e4], layer.digest_scale.shape)
            layer.digest_scale.assign(np.roll(values, int(layer.digest_blocks)))
    images = images_for(model)

    np.testing.assert_allclose(outputs(fuse(model), images), outputs(model, images), atol=1e-5)


def test_unknown_attention_bias_is_named():
    with pytest.raises(ValueError, match=r"must be one of .'stored', 'computed'.*'gathered'"):
        fuse(built("plain"), attention_bias="gathered")


@pytest.mark.slow
def test_the_callers_class_reaches_every_child():
    reached = []

    def noted(trainable):
        class Noted(trainable):
            @classmethod
            def from_trained(cls, layer, forms):
                reached.append(layer.name)
                return forms.copy(layer, cls)

        return Noted

    leaves = (
        *(layers.PaddedConv2D, layers.PaddedDepthwiseConv2D),
        *(keras.layers.Dense, keras.layers.LayerNormalization),
    )
    classes = {trainable: noted(trainable) for trainable in leaves}
    model = built("hybrid")
    fused = fuse(model, inference_classes=classes)

    kinds = [type(layer) for layer in fused._flatten_layers()]
    assert not {*leaves, FusedLayerNormalization} & {*kinds}
    assert len(reached) == sum(kind in classes.values() for kind in kinds)
    assert {*reached} == {
        *("convolution", "depthwise", "merge_convolution"),
        *("query", "key", "value", "projection", "expand", "project", "predictions"),
        *("norm", "digest_norm", "norm_0", "norm_1", "head_norm"),
    }


@pytest.mark.every_backend
def test_lora_is_merged():
    model = built("plain", depth=2)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dense):
            layer.enable_lora(2)
            filled(layer)
    images = images_for(model)
    fused = fuse(model)

    assert not any(getattr(layer, "lora_enabled", False) for layer in fused._flatten_layers())
    expected = outputs(model, images)
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(outputs(fused, images), expected, atol=tolerance)


# The largest difference, relative to the largest output. The inputs of int4 layers are not rounded.
ROUNDING = {"int8": 0.03, "int4": 1e-5, "int4/4": 1e-5, "float8": 0.1}


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("int4/4", marks=pytest.mark.every_backend),
        pytest.param("float8", marks=pytest.mark.torch_too),  # JAX would compile Keras' layers
        "int4",  # is unpacked as "int4/4"
        "int8",  # is dequantised by numpy
    ],
)
def test_quantised_model_is_fused_with_the_same_weights(mode):
    model = filled(tiny_models.two_blocks(activation=None))
    inputs = np.random.default_rng(0).standard_normal((4, 5, 3, 8)).astype("float32")
    exact = outputs(model, inputs)
    with warnings.catch_warnings(action="ignore"):  # about layers that cannot be quantised
        if mode == "int4/4":
            model.quantize(config=keras.quantizers.Int4QuantizationConfig(block_size=4))
        else:
            model.quantize(mode)
    expected = outputs(model, inputs)
    fused = fuse(model)

    assert not any(getattr(layer, "quantization_mode", None) for layer in fused._flatten_layers())
    found = outputs(fused, inputs)
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=ROUNDING[mode] * largest)
    assert np.abs(found - exact).max() > 1e-3 * largest  # the weights are the rounded ones


def test_quantised_layer_of_another_kind_gives_a_clear_error():
    image = keras.Input((4, 3))
    layer = keras.layers.EinsumDense("abc,cd->abd", (4, 5), name="einsum")
    model = keras.Model(image, layer(image))
    model.quantize("int8")
    with pytest.raises(ValueError, match=r"'einsum' of type EinsumDense is quantised to int8\."):
        fuse(model)


@pytest.mark.parametrize("attention_bias", ATTENTION_BIASES)
def test_biases_are_stored_or_computed(attention_bias):
    fused, stored = fuse(built("hybrid"), attention_bias), attention_bias == "stored"
    shapes = [(weight.name, tuple(weight.shape)) for weight in fused.get_layer("stage_2").weights]

    # 4x4 tokens; the second of three blocks sees one digest token.
    assert (("bias", (2, 16, 17)) in shapes) == stored
    assert (("position_bias", (2, 4, 4)) in shapes) != stored
    assert (("digest_bias", (2, 1, 1, 1)) in shapes) != stored


@pytest.mark.slow
def test_fused_model_is_saved_and_loaded(tmp_path):
    fused = fuse(built("hybrid"))
    fused.save(tmp_path / "fused.keras")
    loaded = keras.saving.load_model(tmp_path / "fused.keras")

    images = images_for(fused)
    np.testing.assert_array_equal(outputs(loaded, images), outputs(fused, images))


def test_fused_model_fused_again_is_the_same():
    fused = fuse(built("plain"))
    again = fuse(fused)

    for twice, once in zip(again.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_array_equal(twice, once)


@pytest.mark.slow
def test_model_inside_a_model_is_fused():
    backbone = built("hybrid", include_top=False, pooling="avg")
    whole = keras.Sequential([backbone, keras.layers.Dense(3)])
    whole.build(backbone.input_shape)
    images = images_for(backbone)
    fused = fuse(whole)

    np.testing.assert_allclose(outputs(fused, images), outputs(whole, images), atol=1e-5)
    assert not any(
        isinstance(layer, keras.layers.BatchNormalization) for layer in fused._flatten_layers()
    )


def test_mixed_precision_is_kept():
    with tiny_models.dtype_policy("mixed_bfloat16"):
        model = built("hybrid")
    stage = fuse(model).get_layer("stage_2")

    assert (stage.compute_dtype, stage.weights[0].dtype) == ("bfloat16", "float32")


@pytest.mark.parametrize(
    ("kind", "changes", "stage"),
    [
        ("hybrid", {"depths": (1, 1, 2, 1)}, "stage_2"),
        pytest.param("plain", {"depth": 2}, "stage", marks=pytest.mark.every_backend),
    ],
    ids=["hybrid", "plain"],
)
def test_dtype_changes_the_precision(tmp_path, kind, changes, stage):
    model = built(kind, **changes)
    images = images_for(model)
    expected = outputs(model, images)
    fused = fuse(model, dtype="bfloat16")

    stage = fused.get_layer(stage)
    assert stage.compute_dtype == "bfloat16"
    added_to_logits = {id(block.attention.bias) for block in stage.blocks}
    dtypes = [(id(weight) in added_to_logits, weight.dtype) for weight in stage.weights]
    assert set(dtypes) == {(True, "float32"), (False, "bfloat16")}
    assert fused.get_layer("predictions").compute_dtype == "float32"
    assert fused.get_layer("normalization").compute_dtype == "float32"
    found = outputs(fused, images)
    assert found.dtype == "float32"
    # bfloat16 has eight bits.
    assert 0 < np.abs(found - expected).max() < 2**-5 * np.abs(expected).max()
    fused.save(tmp_path / "fused.keras")
    loaded = keras.models.load_model(tmp_path / "fused.keras")
    np.testing.assert_array_equal(outputs(loaded, images), found)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_dtype_leaves_half_precision(policy):
    model = built("hybrid")
    with tiny_models.dtype_policy(policy):
        mixed = tiny_models.with_weights_of(model, tiny_models.hybrid(classifier_activation=None))
    images = images_for(model)

    fused = fuse(mixed, dtype="float32")
    assert {layer.compute_dtype for layer in fused._flatten_layers()} == {"float32"}
    if policy == "mixed_bfloat16":  # its weights are in float32
        np.testing.assert_array_equal(outputs(fused, images), outputs(fuse(model), images))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtype_leaves_double_precision(dtype):
    """Pixels and scores are computed in float32."""
    with tiny_models.dtype_policy("float64"):
        model = built("plain", depth=2)
    images = images_for(model)
    expected = outputs(model, images)
    assert expected.dtype == "float64"

    fused = fuse(model, dtype=dtype)
    found = {layer.name: layer.compute_dtype for layer in fused._flatten_layers()}
    assert set(found.values()) == {"float32", dtype}
    assert found["normalization"] == found["predictions"] == "float32"
    tolerance = {"float32": 1e-5, "bfloat16": 2**-5}[dtype]
    np.testing.assert_allclose(outputs(fused, images), expected, atol=tolerance * expected.max())


def test_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="float99"):
        fuse(built("plain"), dtype="float99")


def test_model_without_visible_layers_is_refused():
    class Hidden(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match=r"functional or a sequential model.*type Hidden"):
        fuse(Hidden())


def images_of_two_blocks():
    return np.random.default_rng(0).standard_normal((2, 5, 3, 8)).astype("float32")


def test_how_a_model_was_compiled_has_no_effect():
    backbone = keras.Sequential([filled(tiny_models.two_blocks())], name="backbone")
    model = keras.Sequential([keras.Input((5, 3, 8)), backbone])
    expected = outputs(model, images_of_two_blocks())
    for each in (model, backbone):
        each.compile("adam", lambda y_true, y_pred: keras.ops.mean(y_pred - y_true, axis=-1))

    found = fuse(model)
    np.testing.assert_allclose(outputs(found, images_of_two_blocks()), expected, atol=1e-5)
    assert model.compiled
    assert backbone.compiled
    assert not found.compiled


class Doubling(keras.layers.Layer):
    """A user's layer that takes neither name nor dtype."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {"factor": self.factor}


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Doubling(2),
        lambda: keras.layers.Pipeline([keras.layers.Rescaling(2)]),
        lambda: keras.layers.Lambda(lambda x, factor: factor * x, arguments={"factor": 2}),
    ],
    ids=["own", "Pipeline", "Lambda"],
)
def test_layers_with_few_arguments_and_own_functions_are_copied(layer):
    inner = filled(tiny_models.two_blocks())
    image = keras.Input((5, 3, 8))
    model = keras.Model(image, inner(layer()(image)))

    expected = outputs(inner, 2 * images_of_two_blocks())
    np.testing.assert_allclose(outputs(fuse(model), images_of_two_blocks()), expected, atol=1e-5)


class Calibrated(keras.Model):
    """Probabilities at another temperature, of a graph that ends in logits."""

    def call(self, x, training=None):
        return keras.ops.softmax(super().call(x, training=training) / 2)


def test_model_with_a_call_of_its_own_is_refused():
    inner = tiny_models.two_blocks(activation=None)
    model = Calibrated(inner.input, inner.output, name="calibrated")
    whole = keras.Sequential([keras.Input((5, 3, 8)), model])

    for each in (model, whole):
        with pytest.raises(ValueError, match="'calibrated' is a Calibrated, whose `call` may do"):
            fuse(each)
