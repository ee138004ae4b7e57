import concurrent.futures
import contextlib
import os
import signal
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from small_disk import files_of_at_most

from keras_cabvit.export import to_saved_model
from keras_cabvit.export.saved_model import servable as servable_module
from keras_cabvit.inference import fuse
from keras_cabvit.runtimes import load_saved_model
from keras_cabvit.signals import interrupt, interruption_is_handled, orderly_shutdown

pytestmark = pytest.mark.usefixtures("png_files")


def any_size():
    image = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(image))
    return keras.Model(image, keras.layers.Dense(2)(x))


def test_signatures_give_the_scores_of_the_model(tiny_hybrid, served):
    images = tiny_models.images(tiny_hybrid, batch=3).astype("uint8")
    expected = tiny_models.outputs(tiny_hybrid, images)

    for batch in (3, 1):
        np.testing.assert_allclose(served(images[:batch]), expected[:batch], atol=1e-5)
    scores = served.runtime.signatures["serving_float"](image=images.astype("float32"))
    np.testing.assert_allclose(scores["probabilities"], expected, atol=1e-5)


def test_plain_model_gives_the_same_scores_as_a_saved_model(tiny_plain, tmp_path):
    predict = load_saved_model(to_saved_model(tiny_plain, tmp_path))
    images = tiny_models.images(tiny_plain).astype("uint8")

    expected = tiny_models.outputs(tiny_plain, images)
    np.testing.assert_allclose(predict(images), expected, atol=1e-5)


def test_quantised_model_without_layers_to_fuse_is_exported_as_it_is(tmp_path):
    model = tiny_models.pattern_classifier()
    model.quantize("int8")
    images = tiny_models.patterned_images((64, 64, 3), 5)
    predict = load_saved_model(to_saved_model(model, tmp_path, batch_sizes=()))

    expected = model.predict(images, verbose=0)
    assert expected.argmax(axis=1).tolist() == list(range(5))
    np.testing.assert_allclose(predict(images), expected, atol=1e-6)


def test_model_in_float64_is_exported_with_frozen_weights(tmp_path):
    with tiny_models.dtype_policy("float64"):
        model = tiny_models.filled(tiny_models.plain(depth=2))
    path = to_saved_model(model, tmp_path, frozen_weights=True, batch_sizes=())
    images = tiny_models.images(model).astype("uint8")

    expected = tiny_models.outputs(model, images)
    np.testing.assert_allclose(load_saved_model(path)(images), expected, atol=1e-6)


def test_empty_batch_gives_empty_scores(tiny_hybrid, served):
    signatures = served.runtime.signatures

    for name, dtype in (("serving_default", np.uint8), ("serving_float", np.float32)):
        images = np.zeros((0, *tiny_hybrid.input_shape[1:]), dtype)
        assert signatures[name](image=images)["probabilities"].shape == (0, 5)


def test_scores_of_a_model_without_activation_are_called_logits(tmp_path):
    model = tiny_models.pattern_classifier(activation=None)
    classifier = load_saved_model(to_saved_model(model, tmp_path))

    assert classifier.gives_probabilities is False
    assert list(classifier.runtime.signatures["serving_default"].structured_outputs) == ["logits"]


@pytest.mark.parametrize("last", [keras.layers.Softmax(), None], ids=["layer", "nested"])
def test_probabilities_are_recognised_wherever_the_softmax_is(tmp_path, last):
    backbone = tiny_models.pattern_classifier(activation=None if last else "softmax")
    model = keras.Sequential([keras.Input((64, 64, 3)), backbone, *([last] if last else [])])
    classifier = load_saved_model(to_saved_model(model, tmp_path))

    assert classifier.gives_probabilities is True
    assert list(classifier.runtime.signatures["serving_default"].structured_outputs) == [
        "probabilities"
    ]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (lambda: tiny_models.hybrid(include_top=False), "has no classifier: it ends in the layer"),
        (any_size, r"must take images of one size .* \(None, None, 3\)"),
    ],
    ids=["features", "any size"],
)
def test_model_that_cannot_be_served_is_refused(tmp_path, model, sentence):
    with pytest.raises(ValueError, match=sentence):
        to_saved_model(model(), tmp_path / "servable")
    assert not (tmp_path / "servable").exists()


def test_export_is_fused(tiny_hybrid, served_hybrid):
    stored = sum(
        np.prod(shape, dtype=int)
        for name, shape in tf.train.list_variables(str(served_hybrid / "variables" / "variables"))
        if name.startswith("model_variables")
    )
    assert stored == fuse(tiny_hybrid).count_params() < tiny_hybrid.count_params()


def test_half_precision_export_has_half_of_the_bytes_and_the_scores_of_the_fused_model(
    tiny_hybrid, served_hybrid, tmp_path
):
    version = to_saved_model(tiny_hybrid, tmp_path, precision="bfloat16", batch_sizes=())
    predict = load_saved_model(version)
    images = tiny_models.images(tiny_hybrid, batch=3).astype("uint8")

    scores = predict(images)
    assert scores.dtype == np.float32
    expected = tiny_models.outputs(fuse(tiny_hybrid, dtype="bfloat16"), images)
    np.testing.assert_allclose(scores, expected, atol=2e-3)
    stored, in_full = (
        (folder / "variables" / "variables.data-00000-of-00001").stat().st_size
        for folder in (version, served_hybrid)
    )
    assert 0.45 < stored / in_full < 0.6


def test_frozen_weights_are_constants_that_all_signatures_share(tiny_hybrid, frozen_hybrid):
    predict = load_saved_model(frozen_hybrid)
    images = tiny_models.images(tiny_hybrid, batch=3).astype("uint8")

    expected = tiny_models.outputs(tiny_hybrid, images)
    for batch in (3, 1):
        np.testing.assert_allclose(predict(images[:batch]), expected[:batch], atol=1e-5)
    assert predict(images[:0]).shape == (0, 5)
    assert not any(
        "model" in name
        for name, _ in tf.train.list_variables(str(frozen_hybrid / "variables" / "variables"))
    )
    of_weights = 4 * fuse(tiny_hybrid).count_params()
    graph = (frozen_hybrid / "saved_model.pb").stat().st_size
    assert of_weights < graph < 2 * of_weights + 1e6


@pytest.mark.parametrize(
    ("model", "precision", "sentence"),
    [
        ("tiny_plain", "float16", "must be one of .*bfloat16.*Received: precision='float16'"),
        ("pattern_classifier", "bfloat16", "has no layers of this library"),
    ],
)
def test_precision_that_cannot_be_exported_is_refused(
    request, tmp_path, model, precision, sentence
):
    if model == "tiny_plain":
        model = request.getfixturevalue(model)
    else:
        model = tiny_models.pattern_classifier()
    with pytest.raises(ValueError, match=sentence):
        to_saved_model(model, tmp_path / "servable", precision=precision)
    assert not (tmp_path / "servable").exists()


def test_each_export_is_the_next_version_beside_earlier_ones(tmp_path):
    model = tiny_models.pattern_classifier()
    first = to_saved_model(model, tmp_path / "servable")
    (tmp_path / "servable" / "7").mkdir()
    second = to_saved_model(model, tmp_path / "servable")

    assert (first.name, second.name) == ("1", "8")
    assert sorted(entry.name for entry in (tmp_path / "servable").iterdir()) == ["1", "7", "8"]


def test_exports_at_once_into_one_servable_all_land(tmp_path, monkeypatch):
    servable = tmp_path / "servable"
    write_functions = servable_module.write_functions
    started = threading.Barrier(2)

    def written_together(*arguments):
        started.wait(timeout=60)  # until the other has begun too
        write_functions(*arguments)

    monkeypatch.setattr(servable_module, "write_functions", written_together)
    models = [tiny_models.pattern_classifier(), tiny_models.pattern_classifier(activation=None)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        versions = pool.map(lambda model: to_saved_model(model, servable, batch_sizes=()), models)

    assert sorted(versions) == [servable / "1", servable / "2"]
    assert sorted(servable.iterdir()) == [servable / "1", servable / "2"]
    kinds = {load_saved_model(servable / name).gives_probabilities for name in "12"}
    assert kinds == {True, False}


def test_number_taken_by_another_process_at_the_last_moment_is_passed_over(tmp_path, monkeypatch):
    rename = os.rename

    def rename_after_another(source, target):
        monkeypatch.setattr(os, "rename", rename)
        target.mkdir()
        (target / "saved_model.pb").touch()
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_after_another)
    version = to_saved_model(tiny_models.pattern_classifier(), tmp_path / "a", batch_sizes=())

    assert version.name == "2"
    assert [entry.name for entry in (tmp_path / "a" / "1").iterdir()] == ["saved_model.pb"]


def test_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "served"
    with pytest.raises(OSError, match=f"^{path} cannot be written: Not a directory"):
        to_saved_model(tiny_models.pattern_classifier(), path, batch_sizes=())


def test_full_disk_gives_a_clear_error_and_leaves_nothing(tmp_path):
    with files_of_at_most(20_000), pytest.raises(OSError, match="The disk is full") as raised:
        to_saved_model(tiny_models.pattern_classifier(), tmp_path / "served", batch_sizes=())
    assert str(raised.value).endswith(f"Nothing was written to {tmp_path / 'served'}.")
    assert list(tmp_path.iterdir()) == []


def test_optimizer_is_not_exported(tmp_path):
    model = tiny_models.pattern_classifier()
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    model.train_on_batch(tiny_models.images(model), np.zeros(2))
    version = to_saved_model(model, tmp_path)

    stored = tf.train.list_variables(str(version / "variables" / "variables"))
    shapes = [tuple(shape) for name, shape in stored if name.startswith("model_variables")]
    assert sorted(shapes) == sorted(tuple(weight.shape) for weight in model.weights)
    assert not [name for name, _ in stored if "optimizer" in name or "adam" in name.lower()]


def test_file_at_the_path_is_refused_and_kept(tiny_hybrid, tmp_path):
    file = tmp_path / "servable"
    file.write_text("mine")

    with pytest.raises(ValueError, match="`path` must be a directory"):
        to_saved_model(tiny_hybrid, file)
    assert file.read_text() == "mine"


def test_model_with_two_outputs_is_refused_before_anything_is_written(tmp_path):
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, [image, image])

    with pytest.raises(ValueError, match="one input and one output"):
        to_saved_model(model, tmp_path / "servable")
    assert not (tmp_path / "servable").exists()


def test_missing_saved_model_gives_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no saved_model\.pb"):
        load_saved_model(tmp_path)


@pytest.fixture
def signal_handlers():
    """Restores the handlers that `orderly_shutdown` leaves in place."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    hook = sys.unraisablehook
    yield
    interruption_is_handled()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    sys.unraisablehook = hook


@pytest.mark.usefixtures("signal_handlers")
def test_lost_interruption_publishes_no_version(tiny_hybrid, tmp_path, monkeypatch):
    write_functions = servable_module.write_functions

    def interrupted(*arguments):
        write_functions(*arguments)
        with contextlib.suppress(KeyboardInterrupt):  # as TensorFlow does while it writes
            interrupt()

    monkeypatch.setattr(servable_module, "write_functions", interrupted)
    with pytest.raises(KeyboardInterrupt), orderly_shutdown():
        to_saved_model(tiny_hybrid, tmp_path / "served", batch_sizes=())

    assert list(tmp_path.iterdir()) == []
