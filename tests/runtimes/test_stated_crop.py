"""The crop that models state: read from them wherever they are, before anything beside them."""

import json
import shutil
import zipfile

import keras
import numpy as np
import onnx
import pytest
from PIL import Image
from small_classifier import CLASS_NAMES, SIZE, noise, small_classifier

from keras_cabvit.cli import main
from keras_cabvit.export import to_onnx, to_saved_model, to_tflite
from keras_cabvit.runtimes import open_model, predict_files
from keras_cabvit.runtimes.keras_statements import add_statements
from keras_cabvit.runtimes.size_and_crop import size_and_crop

# Every test opens an exported model.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("png_files")]

CROP_FILE = "evaluation_transform.json"
SAVED_MODEL, TFLITE, ONNX = "servable", "model.tflite", "model.onnx"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with the crop 1.0: `model.keras` and `run.json`."""
    folder = tmp_path_factory.mktemp("run")
    small_classifier().save(folder / "model.keras")
    (folder / "run.json").write_text('{"recipe": {"evaluation_crop": 1.0}}')
    return folder


@pytest.fixture(scope="module")
def exports(run, tmp_path_factory):
    """Its exports by `cabvit export`, moved to a folder of their own."""
    for form, name in (("saved-model", SAVED_MODEL), ("tflite", TFLITE), ("onnx", ONNX)):
        assert main(["export", form, str(run / "model.keras"), "--output", str(run / name)]) == 0
    folder = tmp_path_factory.mktemp("moved")
    for name in (SAVED_MODEL, TFLITE, ONNX):
        shutil.move(run / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """PNG files, twice as wide as high, in folders of their class as a whole.

    The centre that 0.875 leaves has the colour of the next class.
    """
    folder = tmp_path_factory.mktemp("photographs")
    colors = 128 + 60 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    for number, name in enumerate(CLASS_NAMES):
        pixels = np.full((160, 320, 3), colors[number], "uint8")
        pixels[:, 106:214] = colors[(number + 1) % 4]
        (folder / name).mkdir()
        Image.fromarray(pixels).save(folder / name / "wide.png")
    return folder


def files_in(folder):
    return sorted(folder.rglob("*.png"))


def probabilities(model, files, **options):
    """Returns the probabilities of the files in the order of the classes."""
    rows = predict_files(model, files, top=4, **options)
    return np.array(
        [[score for _, score in sorted(zip(r.classes, r.probabilities, strict=True))] for r in rows]
    )


@pytest.fixture
def copied(exports, tmp_path):
    """Function that copies an export by its name, and returns the path of the copy."""

    def copy(name):
        copying = shutil.copytree if (exports / name).is_dir() else shutil.copy
        return copying(exports / name, tmp_path / name)

    return copy


def state(export, content):
    """Replaces the statement of an export."""
    if export.is_dir():
        (export / "1" / "assets" / CROP_FILE).write_bytes(content)
        return
    if export.suffix == ".onnx":
        model = onnx.load(export)
        (entry,) = (each for each in model.metadata_props if each.key == CROP_FILE)
        entry.value = content.decode("utf-8", "replace")
        onnx.save(model, export)
        return
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(export, "a") as archive:
        archive.writestr(CROP_FILE, content)


@pytest.fixture(scope="module")
def of_run(run, photographs):
    """The run's probabilities of the photographs."""
    return probabilities(run, files_in(photographs))


@pytest.mark.parametrize("name", [SAVED_MODEL, TFLITE, ONNX])
def test_export_away_from_its_run_predicts_as_the_run(of_run, exports, photographs, name):
    files = files_in(photographs)
    model = open_model(exports / name)
    found = probabilities(model, files)

    assert (model.evaluation_crop, model.notes) == (1.0, ())
    np.testing.assert_allclose(found, of_run, atol=0.02)
    other = probabilities(model, files, crop=0.875)
    assert (other.argmax(axis=1) != found.argmax(axis=1)).all()


@pytest.mark.parametrize("name", [SAVED_MODEL, TFLITE, ONNX])
def test_verify_crops_as_the_export_states(run, exports, photographs, tmp_path, capsys, name):
    model = shutil.copy(run / "model.keras", tmp_path)
    (tmp_path / "labels.txt").write_text("\n".join(CLASS_NAMES))
    arguments = ["verify", str(exports / name), "--against", str(model), "--rounds", "1", "--json"]
    assert main([*arguments, "--data", str(photographs)]) == 0
    found = json.loads(capsys.readouterr().out)
    # The run's folder stands for its .keras file.
    arguments += ["--against", str(tmp_path), "--data", str(photographs)]
    assert main([*arguments, "--crop", "0.875"]) == 0

    assert (found["accuracy"], found["model_accuracy"]) == (1, 1)
    assert not any("crop" in note for note in found["notes"])
    assert json.loads(capsys.readouterr().out)["accuracy"] == 0


def test_crop_of_the_export_counts_before_that_of_a_run_beside_it(copied, photographs, capsys):
    export = copied(TFLITE)
    (export.parent / "run.json").write_text('{"recipe": {"evaluation_crop": 0.875}}')
    main(["predict", str(photographs), "--model", str(export)])

    errors = capsys.readouterr().err
    assert "centre crop 1." in errors
    assert "states the centre crop 1; the run.json beside it states 0.875, which is not" in errors


@pytest.fixture
def stating(run, tmp_path):
    """A `.keras` file that states its names and the crop 1, in a folder of its own."""
    path = shutil.copy(run / "model.keras", tmp_path / "model.keras")
    add_statements(path, CLASS_NAMES, SIZE, crop=1.0)
    return path


def test_keras_file_away_from_its_run_states_its_names_and_crop(stating):
    model, by_keras = open_model(stating), keras.saving.load_model(stating)

    assert (model.class_names, model.evaluation_crop) == (CLASS_NAMES, 1)
    images = noise(3)
    np.testing.assert_array_equal(by_keras(images), small_classifier()(images))


def test_exports_of_a_keras_file_state_what_it_states(stating, tmp_path, capsys):
    stating.with_name("labels.txt").write_text("1\n2\n3\n4\n")
    stating.with_name("run.json").write_text('{"recipe": {"evaluation_crop": 0.5}}')
    assert main(["export", "onnx", str(stating), "--output", str(tmp_path / "out.onnx")]) == 0

    errors = capsys.readouterr().err
    model = open_model(tmp_path / "out.onnx")
    assert (model.class_names, model.evaluation_crop) == (CLASS_NAMES, 1)
    assert "labels.txt has others, which are not used" in errors
    assert "states the centre crop 1; the run.json beside it states 0.5" in errors


def test_damaged_statement_of_a_keras_file_gives_a_clear_error(stating):
    content = stating.read_bytes()
    stating.write_bytes(content.replace(b"cat", b"cot"))

    with pytest.raises(ValueError, match=r"model\.keras is damaged"):
        open_model(stating)


ABSURD = [
    (b'{"image_size": ', "is damaged: it is not valid JSON"),
    (b"\xff\xff", "is damaged: it is not valid JSON"),
    (b"[1.0]", "is damaged: it must hold a JSON object"),
    (b'{"image_size": [16, 12]}', r"at most 1\. It is None"),
    (b'{"image_size": [16, 12], "evaluation_crop": "1.0"}', r"at most 1\. It is '1\.0'"),
    (b'{"image_size": [16, 12], "evaluation_crop": 1.5}', r"at most 1\. It is 1\.5"),
    (b'{"image_size": [16, 12], "evaluation_crop": NaN}', r"at most 1\. It is nan"),
    (b'{"image_size": [12, 16], "evaluation_crop": 1}', r"must be \[16, 12\].*is \[12, 16\]"),
    (b'{"image_size": 16, "evaluation_crop": 1}', r"must be \[16, 12\].* It is 16\."),
]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        *((TFLITE, *case) for case in ABSURD),
        # Each is read in its own way, and checked in one.
        *((name, *case) for name in (SAVED_MODEL, ONNX) for case in ABSURD[1:3]),
    ],
)
def test_absurd_statement_gives_a_clear_error(copied, name, content, sentence):
    export = copied(name)
    state(export, content)

    with pytest.raises(ValueError, match=f"{CROP_FILE} in .*{name}.*{sentence}"):
        open_model(export)


def test_flipped_bits_of_a_statement_give_a_clear_error(copied):
    export = copied(TFLITE)
    content = export.read_bytes()
    export.write_bytes(content.replace(b'crop": 1.0', b'crop": 0.5'))

    with pytest.raises(ValueError, match=rf"{CROP_FILE} in .*model\.tflite is damaged"):
        open_model(export)


def test_crop_that_an_export_is_not_given_is_stated_by_all_but_tflite_files(small_forms):
    assert open_model(small_forms / SAVED_MODEL).evaluation_crop == 0.875  # by `serving_bytes`
    assert open_model(small_forms / ONNX).evaluation_crop == 0.875
    model = open_model(small_forms / TFLITE)
    size, crop, notes = size_and_crop(model)
    assert (model.evaluation_crop, size, crop) == (None, SIZE, 0.875)
    assert "nor a run.json beside it says how images are cropped" in notes[-1]


def test_crop_of_the_run_counts_beside_a_tflite_file_that_states_none(run, small_forms, tmp_path):
    for file in (small_forms / TFLITE, run / "run.json"):
        shutil.copy(file, tmp_path)

    assert open_model(tmp_path / TFLITE).evaluation_crop == 1


@pytest.mark.parametrize("crop", [0, 1.5, float("nan"), "1.0"])
def test_absurd_crop_is_not_exported(tmp_path, crop):
    for export, name in ((to_saved_model, SAVED_MODEL), (to_tflite, TFLITE), (to_onnx, ONNX)):
        with pytest.raises(ValueError, match=r"`crop` must be above 0 and at most 1\. Received"):
            export(small_classifier(), tmp_path / name, crop=crop)
    assert not list(tmp_path.iterdir())


def test_absurd_crop_of_a_run_gives_a_clear_error(run, tmp_path):
    shutil.copy(run / "model.keras", tmp_path)
    (tmp_path / "run.json").write_text('{"recipe": {"evaluation_crop": "1.0"}}')

    message = r"run\.json is damaged: recipe\.evaluation_crop must be .* It is '1\.0'"
    with pytest.raises(ValueError, match=message):
        open_model(tmp_path)


def test_model_of_another_exporter_gets_the_authors_crop_with_a_note(tmp_path):
    small_classifier().export(tmp_path / "1", verbose=False)
    model = open_model(tmp_path)
    size, crop, notes = size_and_crop(model)

    assert (model.evaluation_crop, size, crop) == (None, SIZE, 0.875)
    assert "nor a run.json beside it says how images are cropped: the centre, 87.5%" in notes[-1]
