"""`verify` and `cabvit verify` on good and bad exports."""

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models

from keras_cabvit.cli import main
from keras_cabvit.export import to_saved_model, to_tflite
from keras_cabvit.export.tflite import conversion
from keras_cabvit.export.tflite import file as tflite_file
from keras_cabvit.runtimes import load_tflite, open_model, verify
from keras_cabvit.runtimes.class_order import moved_classes
from keras_cabvit.runtimes.comparison import signal_to_noise
from keras_cabvit.runtimes.probabilities import Probabilities
from keras_cabvit.runtimes.size_on_disk import size_on_disk

pytestmark = pytest.mark.usefixtures("png_files")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the model, its exports, and images in one folder per class."""
    root = tmp_path_factory.mktemp("verify")
    model = tiny_models.pattern_classifier()
    model.save(root / "model.keras")
    to_tflite(model, root / "int8.tflite")
    to_saved_model(model, root / "served", batch_sizes=())
    for number, pixels in enumerate(tiny_models.patterned_images((64, 64, 3), 20, seed=4)):
        path = root / "images" / f"class_{number % 5}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(path, pixels, scale=False)
    return root


IMAGES = tiny_models.patterned_images((64, 64, 3), 20, seed=4)


def test_signal_to_noise_is_measured_in_decibels():
    assert signal_to_noise([[3.0, -4.0]], [[3.3, -3.6]]) == pytest.approx(20)
    assert signal_to_noise([[1.0]], [[1.0]]) == float("inf")


@pytest.mark.parametrize(("export", "delegated"), [("int8.tflite", True), ("served", False)])
def test_good_export_agrees(folder, export, delegated):
    found = verify(folder / export, folder / "model.keras", IMAGES, np.arange(20) % 5, rounds=3)

    assert (found.images, found.agreement, found.accuracy, found.model_accuracy) == (20, 1, 1, 1)
    assert found.scores == "logits"
    assert found.signal_to_noise > 25
    assert found.latency > 0
    assert found.model_latency > 0
    assert found.size == size_on_disk(folder / export) > 1000
    assert found.model_size == (folder / "model.keras").stat().st_size
    assert (found.delegation is not None) == delegated


CLASSES = ["a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A function that verifies an export with class names and an order of scores of its own.

    The source model's classes are named a to e. It returns the status and what is printed.
    """
    root = tmp_path_factory.mktemp("named")
    tiny_models.pattern_classifier().save(root / "model.keras")
    exports, converted = {}, {}
    np.savez(root / "data.npz", images=IMAGES, labels=np.arange(20) % 5)

    def convert_once(order):
        """Returns the step of exporting that takes longest; class names are added after it."""

        def convert(model, path, **options):
            if order not in converted:
                converted[order] = conversion.convert(model, path, **options).read_bytes()
            path.write_bytes(converted[order])
            return path

        return convert

    def verify_named(capsys, labels, moved=(0, 1, 2, 3, 4), of_model=CLASSES, options=()):
        (root / "labels.txt").write_text("\n".join(of_model or ()))
        if of_model is None:
            (root / "labels.txt").unlink()
        key = tuple(labels or ()), tuple(moved)
        if key not in exports:
            export = tiny_models.pattern_classifier()
            kernel, bias = export.layers[-1].get_weights()
            export.layers[-1].set_weights([kernel[:, list(moved)], bias[list(moved)]])
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(tflite_file, "convert", convert_once(tuple(moved)))
                path = to_tflite(export, root / "export.tflite", quantization="none", labels=labels)
            exports[key] = path.read_bytes()
        (root / "export.tflite").write_bytes(exports[key])
        words = ["verify", root / "export.tflite", "--against", root / "model.keras"]
        words += ["--data", root / "data.npz", "--rounds", 1, *options]
        status = main([str(word) for word in words])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return verify_named


REVERSED = (4, 3, 2, 1, 0)
ROLLED = (4, 0, 1, 2, 3)


@pytest.mark.parametrize(
    ("labels", "moved"),
    [(CLASSES, range(5)), (CLASSES[::-1], REVERSED), (["e", "a", "b", "c", "d"], ROLLED)],
    ids=["same", "reversed", "rolled"],
)
def test_classes_are_matched_by_name(named, capsys, labels, moved):
    status, printed = named(capsys, labels, moved)

    assert status == 0
    assert "top-1                 100.00 %  100.00 %" in printed
    assert "Of 20 images, 100.00 % are assigned to the same class." in printed
    said = "in another order than" in printed and "matched by name" in printed
    assert said == (labels != CLASSES)


@pytest.mark.parametrize("labels", [None, CLASSES])
@pytest.mark.parametrize(
    ("moved", "sentence"),
    [
        (ROLLED, "of class 0 as class 1, of class 1 as class 2, of class 2 as class 3, "),
        (REVERSED, "of class 0 as class 4, of class 1 as class 3, of class 3 as class 1, "),
        ((1, 0, 2, 3, 4), "of class 0 as class 1, of class 1 as class 0."),
    ],
    ids=["rolled", "reversed", "swapped"],
)
def test_classes_in_other_places_than_their_names_say_fail(named, capsys, labels, moved, sentence):
    status, printed = named(capsys, labels, moved, of_model=labels)
    for name in CLASSES:
        printed = printed.replace(f' ("{name}")', "")

    assert status == 1
    assert f"gives scores under other classes than the model: {sentence}" in printed


def test_classes_of_nearly_equal_scores_have_not_moved():
    scores = np.array([[1.0, 0.999, 0.5], [1.0, 0.999, 0.5]])
    rounded = np.array([[1.002, 1.0001, 0.5], [1.002, 1.0001, 0.5]])

    assert moved_classes(rounded, scores) == ()
    assert moved_classes(scores[:, [1, 2, 0]], scores) == ((0, 2),)


def test_labels_in_the_wrong_order_fail(named, capsys):
    status, printed = named(capsys, CLASSES[::-1])

    assert status == 1
    assert 'other classes than the model: of class 0 ("a") as class 4 ("e"), ' in printed
    assert "20.00 % of the images are assigned to the same class; at least 50 %" in printed


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["a", "b", "cow", "d", "e"], "has the name 'cow'. The classes of"),
        (["a", "b", "c", "d", "d"], "has the name 'd', 'd'"),
    ],
)
def test_names_of_other_classes_are_refused(named, capsys, labels, sentence):
    status, printed = named(capsys, labels)

    assert status == 1
    assert sentence in printed
    assert "model.keras: a, b, c, d, e." in printed
    assert named(capsys, labels, options=["--classes-by-position"])[0] == 0


def test_classes_named_on_one_side_are_compared_by_position_which_is_said(named, capsys):
    status, printed = named(capsys, None)
    assert (status, "export.tflite does not name its classes: they were" in printed) == (0, True)
    status, printed = named(capsys, CLASSES, of_model=None)
    assert (status, "model.keras does not name its classes: they were" in printed) == (0, True)


@pytest.mark.slow
def test_names_in_a_saved_model_are_those_of_the_run(folder, tmp_path):
    shutil.copy(folder / "model.keras", tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"class_names": CLASSES}))
    shutil.copytree(folder / "served", tmp_path / "served")
    (labels,) = (path / "assets" / "labels.txt" for path in (tmp_path / "served").iterdir())
    labels.parent.mkdir(exist_ok=True)
    labels.write_text("\n".join(CLASSES[::-1]))
    found = verify(tmp_path / "served", tmp_path / "model.keras", IMAGES, rounds=1)

    assert found.agreement == 0.2
    assert found.moved_classes == ((0, 4), (1, 3), (3, 1), (4, 0))
    labels.write_text("\n".join(CLASSES[:3]))
    with pytest.raises(ValueError, match=r"must name the 5 classes .* Received: 3 names"):
        verify(tmp_path / "served", tmp_path / "model.keras", IMAGES, rounds=1)


def test_noise_of_probabilities_is_measured_on_their_logits(folder, tmp_path):
    logits = tiny_models.pattern_classifier(activation=None)
    logits.save(tmp_path / "logits.keras")

    probabilities = load_tflite(folder / "int8.tflite")(IMAGES)
    # Softmax removes a constant added to all logits of an image.
    given, expected = (
        scores - scores.mean(axis=1, keepdims=True)
        for scores in (np.log(probabilities), logits.predict(IMAGES, verbose=0))
    )
    for against in (folder / "model.keras", tmp_path / "logits.keras"):
        found = verify(folder / "int8.tflite", against, IMAGES, rounds=1)
        assert found.scores == "logits"
        assert found.signal_to_noise == pytest.approx(signal_to_noise(expected, given), abs=0.01)


def test_noise_of_zero_probabilities_is_measured_on_probabilities(folder, tmp_path):
    model = tiny_models.pattern_classifier()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([1000 * kernel, bias])
    model.save(tmp_path / "sure.keras")

    found = verify(folder / "int8.tflite", tmp_path / "sure.keras", IMAGES, rounds=1)
    assert found.scores == "probabilities"
    assert np.isfinite(found.signal_to_noise)


def test_scores_of_another_model_are_noise(folder, tmp_path):
    other = tiny_models.filled(tiny_models.pattern_classifier())
    other.save(tmp_path / "other.keras")
    found = verify(folder / "int8.tflite", tmp_path / "other.keras", IMAGES, rounds=1)

    assert found.agreement < 0.7
    assert found.signal_to_noise < 10
    assert found.accuracy is None


def command(folder, *further):
    fixed = ["verify", folder / "int8.tflite", "--against", folder / "model.keras"]
    return [str(word) for word in (*fixed, *further)]


def test_command_prints_a_comparison(folder, capsys):
    status = main(command(folder, "--data", folder / "images", "--crop", 1, "--rounds", 2))
    printed = capsys.readouterr().out

    assert status == 0
    assert "top-1                 100.00 %  100.00 %" in printed
    assert "Of 20 images, 100.00 % are assigned to the same class." in printed
    assert "in 1 piece; left to slower kernels: nothing." in printed


def test_command_fails_below_its_thresholds_and_gives_reasons(folder, tmp_path, capsys):
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=np.arange(20) % 5)
    options = ["--min-decibels", 300, "--max-latency", 1e-9, "--min-agreement", 99, "--max-drop", 1]
    status = main(
        command(folder, "--data", tmp_path / "data.npz", "--rounds", 1, "--json", *options)
    )
    printed = capsys.readouterr()

    assert status == 1
    failures = json.loads(printed.out)["failures"]
    assert printed.err.splitlines() == failures
    assert [("at least 300 dB" in failures[0]), ("at most 1e-09" in failures[1])] == [True, True]
    assert len(failures) == 2


def test_command_fails_if_classes_are_confused(folder, tmp_path, capsys):
    other = tiny_models.pattern_classifier()
    kernel, bias = other.layers[-1].get_weights()
    other.layers[-1].set_weights([kernel[:, [1, 0, 2, 3, 4]], bias])  # two classes swapped
    to_tflite(other, tmp_path / "int8.tflite", quantization="none")
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=np.arange(20) % 5)
    status = main(
        [
            *("verify", str(tmp_path / "int8.tflite"), "--against", str(folder / "model.keras")),
            *("--data", str(tmp_path / "data.npz"), "--rounds", "1"),
            *("--min-agreement", "99", "--max-drop", "1"),
        ]
    )

    assert status == 1
    assert capsys.readouterr().err.splitlines() == [
        "The export gives scores under other classes than the model: of class 0 as class 1, of "
        "class 1 as class 0.",
        "60.00 % of the images are assigned to the same class; at least 99 % should be.",
        "The export loses 40.00 percentage points of accuracy; it should lose at most 1.",
    ]


def test_folder_names_are_class_names(folder, tmp_path, capsys):
    (tmp_path / "model.keras").write_bytes((folder / "model.keras").read_bytes())
    names = ["e", "d", "c", "b", "a"]
    (tmp_path / "labels.txt").write_text("\n".join(names))
    for number, name in enumerate(names):
        (folder / "images" / f"class_{number}").rename(folder / "images" / name)
    arguments = command(folder, "--data", folder / "images", "--crop", 1, "--rounds", 1)
    arguments[3] = str(tmp_path / "model.keras")
    status = main(arguments)
    (folder / "images" / "a").rename(folder / "images" / "f")
    refused = main(arguments)
    for name, number in zip(["f", "b", "c", "d", "e"], [4, 3, 2, 1, 0], strict=True):
        (folder / "images" / name).rename(folder / "images" / f"class_{number}")
    printed = capsys.readouterr()

    assert (status, refused) == (0, 1)
    assert "top-1                 100.00 %  100.00 %" in printed.out
    assert "has the name 'f'. The classes of" in printed.err
    assert "images: b, c, d, e, f. The classes of" in printed.err
    assert "model.keras: e, d, c, b, a." in printed.err


def test_test_images_of_linked_classes_are_scored_without_unreadable_ones(folder, tmp_path, capsys):
    for number in range(5):
        images = tmp_path / "data" / "TEST" / f"class_{number}"
        images.parent.mkdir(parents=True, exist_ok=True)
        if number % 2:
            images.symlink_to(folder / "images" / images.name)
        else:
            shutil.copytree(folder / "images" / images.name, images)
    (tmp_path / "data" / "TEST" / "class_0" / "0.png").write_bytes(b"")
    (tmp_path / "data" / "TEST" / "class_0" / "._5.png").write_bytes(b"")
    shutil.copytree(folder / "images" / "class_1", tmp_path / "data" / "train" / "class_0")
    status = main(command(folder, "--data", tmp_path / "data", "--crop", 1, "--rounds", 1))
    printed = capsys.readouterr()

    assert status == 0
    assert "top-1                 100.00 %  100.00 %" in printed.out
    assert "Of 19 images, 100.00 % are" in printed.out
    assert printed.err == ""
    for sentence in (
        f"The images are those in {tmp_path / 'data' / 'TEST'}.",
        f"Not read in {tmp_path / 'data'}: hidden files (TEST/class_0/._5.png).",
        "1 of 20 images cannot be read and was left out. "
        f"{tmp_path}/data/TEST/class_0/0.png: The file is empty.",
    ):
        assert sentence in printed.out.splitlines()


@pytest.mark.parametrize(
    ("labels", "rounds", "sentence"),
    [
        (np.arange(20)[:, None] % 5, 1, r"must be 20 integers.* of shape \(20, 1\)"),
        (np.zeros(20), 1, "Received: float64"),
        (1 + np.arange(20) % 5, 1, "from 0 to 4. Received: 1 to 5"),
        (None, 0, "`rounds` must be at least 1"),
    ],
    ids=range(4),
)
def test_mismatched_arguments_are_refused(folder, labels, rounds, sentence):
    with pytest.raises(ValueError, match=sentence):
        verify(folder / "int8.tflite", folder / "model.keras", IMAGES, labels, rounds)


def test_images_of_another_range_are_refused(folder):
    with pytest.raises(ValueError, match=r"`images` must have pixels in \[0, 255\].* above 1"):
        verify(folder / "int8.tflite", folder / "model.keras", IMAGES / 255)


def test_command_scores_some_of_the_classes_in_another_case(folder, tmp_path, capsys):
    (tmp_path / "model.keras").write_bytes((folder / "model.keras").read_bytes())
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\nclass_4\n")
    for file in (folder / "images" / "class_4").iterdir():
        (tmp_path / "images" / "Class_4").mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / "Class_4" / file.name).write_bytes(file.read_bytes())
    arguments = command(folder, "--data", tmp_path / "images", "--crop", 1, "--rounds", 1)
    arguments[3] = str(tmp_path / "model.keras")

    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "top-1                 100.00 %  100.00 %" in printed
    assert "Class_4 is class_4" in printed
    assert "has only 1 of the 5 classes" in printed


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--data", "images/class_0", "--max-drop", 1], "needs the classes of the images"),
        (["--data", "missing"], "no folder of images"),
        (["--data", "served"], "There are no images in"),
        (["--data", "fewer"], "has 5 classes without names, and fewer has 1: one"),
        (["--data", "empty.npz"], "empty.npz is damaged, or not an .npz file"),
        (["--data", "cut.npz"], "cut.npz is damaged, or not an .npz file"),
        (["--data", "bent.npz"], "bent.npz is damaged, or not an .npz file"),
        (["--data", "none.npz"], "There is no file at none.npz"),
        (["--data", "images", "--against", "empty.npz"], "Give a run's folder, a .keras file"),
    ],
    ids=range(9),
)
def test_unsuitable_data_gives_a_clear_error(folder, capsys, monkeypatch, options, sentence):
    monkeypatch.chdir(folder)
    (folder / "fewer" / "one").mkdir(parents=True, exist_ok=True)
    (folder / "empty.npz").write_bytes(b"")
    np.savez(folder / "cut.npz", images=IMAGES)
    (folder / "cut.npz").write_bytes((folder / "cut.npz").read_bytes()[:1000])
    np.savez_compressed(folder / "bent.npz", images=IMAGES)
    content = bytearray((folder / "bent.npz").read_bytes())
    content[60] ^= 0x5A  # inside the compressed data, in which zlib finds the error
    (folder / "bent.npz").write_bytes(content)
    image = next((folder / "images").rglob("*.png"))
    (folder / "fewer" / "one" / "image.png").write_bytes(image.read_bytes())

    assert main(command(folder, *options)) == 1
    assert sentence in capsys.readouterr().err


def test_export_of_another_shape_is_refused(folder, tmp_path):
    image = keras.Input((64, 64, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, keras.layers.Dense(6)(pooled)).save(tmp_path / "six.keras")

    with pytest.raises(ValueError, match=r"was not made from .*classes: 5, the model 6"):
        verify(folder / "int8.tflite", tmp_path / "six.keras", IMAGES)


@pytest.mark.parametrize("spoilt", ["model", "export"])
def test_scores_that_are_nan_do_not_agree(folder, tmp_path, spoilt):
    model = keras.saving.load_model(folder / "model.keras")
    classifier = model.layers[-1]
    classifier.bias.assign(np.full(classifier.bias.shape, np.nan, "float32"))
    model.save(tmp_path / "model.keras")
    to_saved_model(model, tmp_path / "served", batch_sizes=())
    of_model, of_export = (tmp_path, folder) if spoilt == "model" else (folder, tmp_path)
    with pytest.raises(ValueError, match="returns NaN or infinite scores"):
        verify(of_export / "served", of_model / "model.keras", IMAGES, rounds=1)


def test_scores_of_exactly_the_threshold_are_accepted(folder, monkeypatch, capsys):
    found = verify(folder / "int8.tflite", folder / "model.keras", IMAGES, np.arange(20) % 5, 1)
    found = dataclasses.replace(found, model_accuracy=0.95, accuracy=0.94, agreement=0.952)
    monkeypatch.setattr("keras_cabvit.commands.verify.verify_opened", lambda *_: found)
    arguments = ["verify", folder / "int8.tflite", "--against", folder / "model.keras"]
    arguments += ["--data", folder / "images", "--min-agreement", "95.2", "--max-drop"]

    assert main([*map(str, arguments), "1"]) == 0
    assert main([*map(str, arguments), "0.99"]) == 1
    assert "loses 1.00 percentage points" in capsys.readouterr().err


def test_size_is_that_of_the_version_that_is_run(folder, tmp_path):
    served = shutil.copytree(folder / "served", tmp_path / "served")
    shutil.copytree(served / "1", served / "2")
    (served / "1" / "more").write_bytes(bytes(10**6))

    found = verify(served, folder / "model.keras", IMAGES, rounds=1)
    assert found.size == size_on_disk(served / "2")


def test_model_for_images_of_any_size_is_compared_at_that_of_its_export(tmp_path, capsys):
    def model(side):
        image = keras.Input((side, side, 3))
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
        return keras.Model(image, keras.layers.Dense(2, "softmax", name="predictions")(x))

    model(None).save(tmp_path / "any.keras")
    fixed = model(16)
    fixed.set_weights(keras.saving.load_model(tmp_path / "any.keras").get_weights())
    to_tflite(fixed, tmp_path / "export.tflite", quantization="none")
    for number, pixels in enumerate(IMAGES[:4]):
        keras.utils.save_img(tmp_path / f"{number}.png", pixels, scale=False)
    export, against = tmp_path / "export.tflite", tmp_path / "any.keras"
    arguments = ["verify", export, "--against", against, "--data", tmp_path, "--rounds", 1]

    assert main([str(each) for each in arguments]) == 0
    assert "Of 4 images, 100.00 %" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"\(count, 16, 16, 3\), as .*export\.tflite takes"):
        verify(export, against, IMAGES, rounds=1)


def test_flat_scores_in_steps_of_many_classes_are_equal_probabilities(folder):
    opened = open_model(folder / "int8.tflite")
    scores = np.zeros((2, 1000), "float32")
    scores[1, 3] = 0.5
    classifier = dataclasses.replace(
        load_tflite(folder / "int8.tflite"), scores=lambda images: scores, gives_probabilities=True
    )
    found = Probabilities(opened.path, classifier)(IMAGES[:2])

    np.testing.assert_allclose(found[0], 1e-3)
    assert found[1, 3] == 1


def test_threads_that_share_a_file_get_the_scores_of_their_own_images(folder):
    classifier = load_tflite(folder / "int8.tflite", threads=np.int64(1))
    expected = classifier(IMAGES)

    def scores(number):
        return [classifier(IMAGES[number : number + 1])[0] for _ in range(50)]

    with ThreadPoolExecutor(8) as pool:
        for number, found in enumerate(pool.map(scores, range(20))):
            np.testing.assert_array_equal(found, np.tile(expected[number], (50, 1)))


def test_export_whose_input_is_no_image_is_not_one_of_the_model(folder, tmp_path, capsys):
    module = tf.Module()
    serve = tf.function(lambda image_bytes: {"scores": tf.zeros((1, 5))})
    signature = serve.get_concrete_function(tf.TensorSpec((None,), tf.string, "image_bytes"))
    tf.saved_model.save(module, str(tmp_path / "served" / "1"), signatures=signature)
    arguments = ["verify", tmp_path / "served", "--against", folder / "model.keras"]

    assert main([*map(str, arguments), "--data", str(folder / "images")]) == 1
    assert "the export has images of shape ()" in capsys.readouterr().err
