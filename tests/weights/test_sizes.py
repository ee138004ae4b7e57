"""Weights of one image size, number of classes or channels load into a model of another."""

import warnings

import keras
import numpy as np
import pytest
import tiny_models
from model_weights import assert_equal, weights_of

from keras_cabvit.inference import fuse
from keras_cabvit.weights import load_weights, resized_model, save_weights, transfer_weights
from keras_cabvit.weights.resampling import resampled

BUILDERS = {"hybrid": tiny_models.hybrid, "plain": tiny_models.plain}
FILES = ["model.weights.h5", "model.keras"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A function from a family to a model with random weights and the folder of its files."""
    models = {}

    def saved(family):
        if family not in models:
            model, folder = tiny_models.filled(BUILDERS[family]()), tmp_path_factory.mktemp(family)
            save_weights(model, folder / FILES[0])
            model.save(folder / FILES[1])
            models[family] = model, folder
        return models[family]

    return saved


def on_grid(model):
    """Returns the values of the weights that belong to a token grid, in order."""
    names = ("patch_positions", "position_bias", "digest_bias", "digest_scale")
    return [(weight.name, np.array(weight)) for weight in model.weights if weight.name in names]


@pytest.mark.parametrize("file", FILES)
def test_file_of_another_size_is_resampled(saved, file):
    source, folder = saved("plain")
    model = tiny_models.plain(input_shape=(96, 160, 3))
    load_weights(model, folder / file)

    expected = tiny_models.plain(input_shape=(96, 160, 3))
    transfer_weights(expected, source)
    assert_equal(model.get_weights(), weights_of(expected))


def test_normalization_that_was_adapted_to_images_stays_adapted():
    image = keras.Input((40, 40, 3))
    normalization = keras.layers.Normalization()
    normalization.adapt(np.random.default_rng(0).uniform(0, 255, (4, 40, 40, 3)).astype("float32"))
    source = tiny_models.plain(
        input_tensor=normalization(image), input_shape=None, include_preprocessing=False, depth=1
    )
    model = resized_model(source, (64, 48))

    pixels = np.full((1, 64, 48, 3), 99.0, "float32")
    found = model.get_layer(normalization.name)(pixels)
    np.testing.assert_allclose(found, normalization(pixels), atol=1e-6)


@pytest.mark.slow
def test_size_classes_and_channels_may_all_differ(saved):
    source, folder = saved("hybrid")
    with pytest.warns(UserWarning, match=r"summed over channels\. The classifier of 7 classes ke"):
        model = tiny_models.hybrid(
            weights=folder / FILES[0],
            input_shape=(192, 256, 1),
            include_preprocessing=False,
            classes=7,
        )

    # 4x4 tokens of the first attention stage and 2x2 of the second become 12x16 and 6x8.
    grids = 7 * [((4, 4), (12, 16))] + 4 * [((2, 2), (6, 8))]
    for (name, value), (_, old), grid in zip(on_grid(model), on_grid(source), grids, strict=True):
        np.testing.assert_array_equal(value, resampled(old, name, value.shape, *grid))
    grey, colour = (
        np.array(each.get_layer("stem").convolution_1.convolution.kernel)
        for each in (model, source)
    )
    np.testing.assert_allclose(grey, colour.sum(axis=2, keepdims=True), rtol=1e-6)
    for layer in ("stage_1_block_0", "merging_2", "head_norm"):
        pair = (each.get_layer(layer) for each in (model, source))
        assert_equal(*(layer.get_weights() for layer in pair))


@pytest.mark.parametrize("file", FILES)
def test_same_size_stays_the_same_to_the_bit(saved, file):
    source, folder = saved("plain")
    assert_equal(tiny_models.plain(weights=folder / file).get_weights(), weights_of(source))


@pytest.mark.every_backend
def test_builder_resamples_positions_and_digests_and_nothing_else(saved):
    source, folder = saved("plain")
    model = tiny_models.plain(weights=folder / "model.keras", input_shape=(80, 48, 3))

    shapes = {(name, value.shape) for name, value in on_grid(model)}
    assert {("patch_positions", (10, 6, 24)), ("digest_bias", (3, 2, 3, 2))} <= shapes
    assert ("digest_scale", (2, 3, 2)) in shapes
    names = {name for name, _ in shapes}
    for weight, other in zip(model.weights, source.weights, strict=True):
        if weight.name not in names:  # the class token, for one
            np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (weight, other)))
    scores = tiny_models.outputs(model, tiny_models.images(model))
    np.testing.assert_allclose(scores.sum(axis=-1), 1, rtol=1e-5)


def test_portrait_from_landscape():
    """Both have position biases of the same number of elements."""
    landscape = tiny_models.filled(tiny_models.plain(input_shape=(40, 48, 3)))
    portrait = tiny_models.plain(input_shape=(48, 40, 3))
    transfer_weights(portrait, landscape)
    found, stored = (
        np.array(model.get_layer("patch_embedding").patch_positions)
        for model in (portrait, landscape)
    )
    expected = resampled(stored, "patch_positions", (6, 5, 24), (5, 6), (6, 5))
    np.testing.assert_array_equal(found, expected)


def test_other_classes_leave_the_classifier_out_and_say_so_once(saved):
    source, folder = saved("plain")
    model = tiny_models.plain(classes=7)
    before = [np.array(value) for value in model.get_layer("predictions").get_weights()]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        load_weights(model, folder / FILES[0])

    (said,) = [str(each.message) for each in caught if each.category is UserWarning]
    assert said == (
        "Model 'cabvit_p': The classifier of 7 classes keeps its own values, because the weights "
        "have a classifier of 5 classes."
    )
    assert_equal(model.get_layer("predictions").get_weights(), before)
    assert_equal(model.get_weights()[:-2], weights_of(source)[:-2])


@pytest.mark.parametrize(
    ("channels", "how"),
    [(1, "was summed"), (2, "keeps 2 channels"), (4, r"its mean over .* multiplied by 3/4")],
)
def test_alike_channels_give_what_they_gave_in_three(saved, channels, how):
    _, folder = saved("plain")
    options = {"include_preprocessing": False, "weights": folder / FILES[0]}
    three = tiny_models.plain(**options)
    with pytest.warns(UserWarning, match=f"of 3 channels and the model reads {channels}.*{how}"):
        model = tiny_models.plain(input_shape=(40, 40, channels), **options)

    grey = np.random.default_rng(0).standard_normal((2, 40, 40, 1)).astype("float32")
    expected = tiny_models.outputs(three, grey.repeat(3, axis=-1))
    found = tiny_models.outputs(model, grey.repeat(channels, axis=-1))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.every_backend
@pytest.mark.parametrize("skip_mismatch", [False, True])
def test_keras_own_loading_names_the_call_that_resamples(saved, skip_mismatch):
    _, folder = saved("plain")
    model = tiny_models.plain(input_shape=(40, 48, 3))
    before = weights_of(model)
    for file in FILES:
        with pytest.raises(ValueError, match=r"keras_cabvit\.weights\.load_weights\(model, path\)"):
            model.load_weights(folder / file, skip_mismatch=skip_mismatch)
    assert_equal(model.get_weights(), before)


def test_a_users_model_of_the_same_layers_names_it_too(saved):
    _, folder = saved("plain")
    model = tiny_models.plain(input_shape=(40, 48, 3))
    model = keras.Model(model.input, keras.layers.Dense(2)(model.output))
    with pytest.raises(ValueError, match=r"grid of 5x5 .* 5x6 here.*keras_cabvit\.weights\.load_w"):
        model.load_weights(folder / FILES[0])


@pytest.mark.every_backend
def test_resized_model_has_the_resampled_weights(saved):
    source, folder = saved("plain")
    resized = resized_model(keras.saving.load_model(folder / "model.keras"), (56, 40))
    expected = tiny_models.plain(input_shape=(56, 40, 3))
    transfer_weights(expected, source)

    assert resized.input_shape == (None, 56, 40, 3)
    assert_equal(resized.get_weights(), weights_of(expected))
    assert resized_model(resized, (56, 40)) is resized


def test_resized_model_may_have_layers_of_the_users_own():
    model = tiny_models.plain(include_top=False, pooling="avg")
    model = keras.Model(model.input, keras.layers.Dense(2, name="own")(model.output))
    resized = resized_model(model, (48, 80))
    assert_equal(resized.get_layer("own").get_weights(), weights_of(model.get_layer("own")))


class Calibrated(keras.Model):
    """Probabilities of a graph that ends in logits, with an argument of its own."""

    def __init__(self, inputs, outputs, temperature=2.0, **options):
        super().__init__(inputs, outputs, **options)
        self.temperature = temperature

    def call(self, x, training=None):
        return keras.ops.softmax(super().call(x, training=training) / self.temperature)


def test_model_with_a_call_of_its_own_is_not_resized_without_it():
    model = tiny_models.plain(classifier_activation=None)

    with pytest.raises(ValueError, match="whose `call` may do more"):
        resized_model(Calibrated(model.input, model.output), (48, 80))


@pytest.mark.parametrize(
    ("model", "size", "sentence"),
    [
        (tiny_models.plain, (40, 44), r"`image_size` must be .* multiples of 8\. Rec.*\(40, 44\)"),
        (tiny_models.plain, (40.0, 48), r"`image_size` must be .* multiples of 8"),
        (tiny_models.pattern_classifier, (96, 96), "must be a trainable model of this library"),
    ],
)
def test_other_sizes_and_models_cannot_be_resized(model, size, sentence):
    with pytest.raises(ValueError, match=sentence):
        resized_model(model(), size)


def test_layers_for_one_size_alone_give_a_clear_error():
    model = tiny_models.plain(include_top=False)
    flat = keras.layers.Dense(2)(keras.layers.Flatten()(model.output))
    with pytest.raises(ValueError, match=r"another model.* layer that does not fit is 'd"):
        resized_model(keras.Model(model.input, flat), (48, 80))


def test_another_model_of_another_size_is_refused_and_changes_nothing(saved):
    _, folder = saved("plain")
    model = tiny_models.plain(input_shape=(80, 80, 3), embed_dim=48)
    before = weights_of(model)
    for file in FILES:
        with pytest.raises(ValueError, match="must have been saved by a model of the same argume"):
            load_weights(model, folder / file)
    assert_equal(model.get_weights(), before)


def test_damaged_keras_file_is_refused(saved, tmp_path):
    _, folder = saved("plain")
    content = (folder / "model.keras").read_bytes()
    model = tiny_models.plain()
    before = weights_of(model)
    for damaged in (content[: len(content) // 2], b"", b"no archive"):
        (tmp_path / "model.keras").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"model\.keras do not fit model"):
            load_weights(model, tmp_path / "model.keras")
    assert_equal(model.get_weights(), before)


@pytest.mark.parametrize("before", ["resized", "grey"])
def test_weights_of_another_size_are_loaded_behind_layers_of_the_users_own(before, tmp_path):
    source = tiny_models.filled(tiny_models.plain())
    path = save_weights(source, tmp_path / "source.weights.h5")
    side = 56
    if before == "resized":
        image = keras.Input((None, None, 3))
        x = keras.layers.Resizing(side, side)(image)
    else:
        image = keras.Input((side, side, 1))
        x = keras.layers.Concatenate()([image] * 3)
    model = tiny_models.plain(input_shape=None, input_tensor=x, weights=path)

    expected = resized_model(source, (side, side))
    for weight, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_fused_model_is_not_resized():
    for bias in ("stored", "computed"):
        fused = fuse(tiny_models.plain(depth=1), attention_bias=bias)
        with pytest.raises(ValueError, match="not fused: resize the one that it was fused from"):
            resized_model(fused, (56, 56))


def test_model_whose_class_has_arguments_of_its_own_is_resized():
    class Named(keras.Model):
        def get_config(self):
            return {"variant": "small"}

    source = tiny_models.filled(tiny_models.plain(depth=1))
    model = Named(source.input, source.output, name="named")
    resized = resized_model(model, (56, 56))

    assert resized.input_shape == (None, 56, 56, 3)
    for weight, other in zip(
        resized.get_weights(), resized_model(source, (56, 56)).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(weight, other)


def test_weights_of_images_that_are_not_square_are_loaded_into_windows(tmp_path):
    source = tiny_models.filled(tiny_models.hybrid(input_shape=(64, 96, 3)))
    path = save_weights(source, tmp_path / "source.weights.h5")
    model = tiny_models.hybrid(weights=path, windowed=96, input_shape=(None, None, 3))

    expected = resized_model(source, (96, 96)).get_weights()
    for weight, other in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_model_that_resizes_its_images_itself_is_not_resized():
    image = keras.Input((None, None, 3))
    x = keras.layers.Resizing(40, 40)(image)
    model = tiny_models.plain(depth=1, input_shape=None, input_tensor=x)

    with pytest.raises(ValueError, match=r"resizes its images to \(40, 40\) itself"):
        resized_model(model, (56, 56))
