import shutil
import sys

import numpy as np
import pytest
import tiny_models

from keras_cabvit.runtimes import load_keras, load_saved_model

IMAGES = tiny_models.patterned_images((64, 64, 3), 2)


def test_images_are_rounded_and_clipped_to_the_input_type(served):
    expected = served(IMAGES)

    np.testing.assert_array_equal(served(IMAGES - 0.4), expected)
    outside = np.where(IMAGES == 255, 999.0, np.where(IMAGES == 0, -9.0, IMAGES))
    np.testing.assert_array_equal(served(outside), expected)


def test_without_tensorflow_the_error_gives_the_command(served_hybrid, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r'pip install "keras-cabvit\[tensorflow\]"'):
        load_saved_model(served_hybrid)


def test_classifier_describes_its_file(served_hybrid):
    classifier = load_saved_model(served_hybrid.parent)  # its highest version

    assert classifier.image_shape == (64, 64, 3)
    assert classifier.classes == 5
    assert classifier.gives_probabilities is True
    assert classifier(IMAGES).shape == (2, 5)


def test_labels_and_versions_are_read_as_written(served_hybrid, tmp_path):
    shutil.copytree(served_hybrid, tmp_path / "1")
    (tmp_path / "²").mkdir()  # no version, though Python calls it a digit
    (tmp_path / "²" / "saved_model.pb").write_bytes(b"")
    labels = tmp_path / "1" / "assets" / "labels.txt"
    labels.write_text("a\u2028b\nc\nd\ne\nf\n\n", encoding="utf-8")

    assert load_saved_model(tmp_path).labels == ("a\u2028b", "c", "d", "e", "f")

    labels.write_bytes("café".encode("latin-1"))
    with pytest.raises(ValueError, match=r"labels in .*labels\.txt must be text in UTF-8"):
        load_saved_model(tmp_path)


def test_model_that_does_not_normalise_its_pixels_is_noted(tmp_path):
    for model, noted in (
        (tiny_models.hybrid(include_preprocessing=False), True),
        (tiny_models.hybrid(), False),
        (tiny_models.pattern_classifier(), False),  # which rescales them
    ):
        model.save(tmp_path / "model.keras")
        notes = load_keras(tmp_path / "model.keras").notes
        assert ["does not normalise pixels itself" in note for note in notes] == [True] * noted


@pytest.mark.parametrize("shape", [(2, 64, 32, 3), (2, 64, 64, 1), (64, 64, 3), (2, 3, 64, 64)])
def test_images_of_another_shape_are_refused(served, shape):
    with pytest.raises(ValueError, match=r"must be of shape \(count, 64, 64, 3\)"):
        served(np.zeros(shape, "uint8"))


def test_images_scaled_to_1_are_refused(served):
    with pytest.raises(ValueError, match=r"must have pixels in \[0, 255\]"):
        served(IMAGES / 255)
