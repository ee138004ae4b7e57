"""The classifier is the hybrid model with its head, from presets and files."""

import json

import keras
import keras_hub
import numpy as np
import pytest
import tiny_hub
import tiny_models

import keras_cabvit
from keras_cabvit.hub import CabViTBackbone, CabViTImageClassifier, CabViTImageConverter

PRESET = "cabvit_h_t_tiny_imagenet"


@pytest.fixture(scope="module")
def pretrained():
    """The classifier of the preset, found by KerasHub's base class."""
    return keras_hub.models.ImageClassifier.from_preset(PRESET)


def test_logits_of_the_preset_are_those_of_the_model(pretrained):
    assert isinstance(pretrained, CabViTImageClassifier)
    model = keras_cabvit.CabViTH_T(weights="tiny_imagenet", classifier_activation=None)
    images = tiny_hub.photographs(64, 64, batch=4)
    expected = np.array(model(images.astype("float32"), training=False))
    found = pretrained.predict(images, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(expected) > 5


def test_the_preset_is_listed_for_every_class():
    for cls in (keras_hub.models.Backbone, keras_hub.models.ImageClassifier, CabViTImageClassifier):
        assert PRESET in cls.presets
    assert CabViTBackbone.presets[PRESET]["metadata"]["params"] == 5_864_548


def test_files_of_the_preset_are_those_that_saving_writes(pretrained, tmp_path):
    pretrained.save_to_preset(tmp_path)
    folder = keras_cabvit.weights.tiny_imagenet_weights_path("CabViTH_T").parent
    for path in tmp_path.glob("*.json"):
        written, shipped = (
            json.loads((each / path.name).read_text()) for each in (tmp_path, folder)
        )
        if path.name == "metadata.json":
            assert written["parameter_count"] == shipped["parameter_count"] == 5_864_548
        else:
            assert written == shipped
    assert len(list(tmp_path.glob("*.json"))) == len(list(folder.glob("*.json"))) - 1


def test_preset_in_windows_of_its_own_images():
    backbone = keras_hub.models.Backbone.from_preset(PRESET, image_shape=(None, None, 3))
    assert [backbone.get_layer(f"stage_{stage}").window for stage in (2, 3)] == [4, 2]
    model = keras_cabvit.CabViTH_T(weights="tiny_imagenet")
    for stage in ("stage_2", "stage_3"):
        weights = (each.get_layer(stage).get_weights() for each in (backbone, model))
        for found, expected in zip(*weights, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_saved_preset_at_another_size_and_with_other_classes(tmp_path):
    saved = tiny_hub.classifier()
    saved.save_to_preset(str(tmp_path))
    classifier = CabViTImageClassifier.from_preset(
        str(tmp_path), num_classes=3, image_shape=(96, 64, 3)
    )
    classifier.preprocessor.image_size = (96, 64)
    assert tiny_hub.predicted(classifier, tiny_hub.photographs(50, 70)).shape == (2, 3)
    bias, before = (
        each.backbone.get_layer("stage_2").blocks[0].attention.position_bias
        for each in (classifier, saved)
    )
    assert (tuple(bias.shape), tuple(before.shape)) == ((1, 6, 4), (1, 2, 2))
    np.testing.assert_allclose(np.array(bias)[0, ::3, ::2], np.array(before)[0], rtol=1e-6)


@pytest.mark.torch_too
@pytest.mark.parametrize("mode", [None, "int8"])
def test_a_saved_preset_reloads(tmp_path, mode):
    classifier = tiny_hub.classifier(activation="softmax", dropout=0.1)
    if mode:
        classifier.quantize(mode)
    images = tiny_hub.photographs(40, 60)
    expected = tiny_hub.predicted(classifier, images)
    classifier.save_to_preset(str(tmp_path))
    loaded = keras_hub.models.ImageClassifier.from_preset(str(tmp_path))
    np.testing.assert_array_equal(tiny_hub.predicted(loaded, images), expected)
    assert loaded.output_dense.quantization_mode == mode
    if not mode:  # KerasHub's loader of backbones drops the policies of quantised layers
        backbone = CabViTBackbone.from_preset(str(tmp_path))
        for found, value in zip(backbone.weights, classifier.backbone.weights, strict=True):
            np.testing.assert_array_equal(np.array(found), np.array(value))


def test_half_precision_keeps_the_scores_in_full():
    full = tiny_hub.classifier()
    half = tiny_hub.classifier(backbone=tiny_hub.backbone(dtype="mixed_bfloat16"))
    images = tiny_hub.photographs(40, 60)
    found = tiny_hub.predicted(half, images)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, tiny_hub.predicted(full, images), atol=0.1)


@pytest.mark.parametrize(("activation", "from_logits"), [(None, True), ("softmax", False)])
def test_default_loss_is_for_the_activation(activation, from_logits):
    assert tiny_hub.classifier(activation=activation).loss.from_logits is from_logits


def test_channels_are_last_whatever_the_global_setting(restored_settings):
    expected = tiny_hub.predicted(tiny_hub.classifier(), tiny_hub.photographs(40, 60))
    keras.config.set_image_data_format("channels_first")
    found = tiny_hub.predicted(tiny_hub.classifier(), tiny_hub.photographs(40, 60))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_converter_normalises_as_the_model_does():
    images = tiny_hub.photographs(8, 8)
    normalize = keras_cabvit.models.preprocessing.normalization()
    found = CabViTImageConverter()(images)
    np.testing.assert_allclose(found, normalize(images.astype("float32")), atol=1e-5)


def test_the_converter_resizes_as_the_evaluation_does():
    images = tiny_hub.photographs(100, 80)
    converter = CabViTImageConverter((48, 32), scale=1, offset=0, crop_to_aspect_ratio=False)
    expected = keras_cabvit.data.evaluation_pixels(images, (48, 32))
    np.testing.assert_allclose(np.clip(converter(images), 0, 255), expected, atol=0.51)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"pooling": "token"}, '`pooling` must be "avg" or "max"'),
        ({"backbone": tiny_models.hybrid}, "`backbone` must be a keras_cabvit.hub.CabViTBackbone"),
    ],
)
def test_wrong_arguments_give_a_clear_error(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny_hub.classifier(**arguments)
