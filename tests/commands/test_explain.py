"""`cabvit explain`: its picture, its messages and its exit status."""

import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from PIL import Image
from small_disk import files_of_at_most

from keras_cabvit.cli import main
from keras_cabvit.commands import explain


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_plain):
    """The folder of a run with a plain model."""
    folder = tmp_path_factory.mktemp("run")
    tiny_plain.save(folder / "model.keras")
    (folder / "labels.txt").write_text("\n".join(tiny_models.LABELS))
    (folder / "run.json").write_text('{"recipe": {"evaluation_crop": 0.5}}')
    return folder


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """An image file in the current folder, black but for its centre."""
    monkeypatch.chdir(tmp_path)
    pixels = np.zeros((80, 120, 3), "uint8")
    pixels[20:60, 40:80] = tiny_models.patterned_images((40, 40, 3), 1)[0]
    path = tmp_path / "photo.png"
    path.write_bytes(tf.io.encode_png(pixels).numpy())
    return path


@pytest.mark.slow
def test_picture_is_of_what_the_model_sees(run, photo, monkeypatch, capsys):
    seen = []
    explain_image = explain.explain_image

    def spy(model, image, number, blocks):
        seen.append((image, number, blocks))
        return explain_image(model, image, number, blocks)

    monkeypatch.setattr(explain, "explain_image", spy)
    arguments = ["explain", "photo.png", "--model", str(run), "--class", "cat", "--blocks"]
    assert main([*arguments, "stage/block_1", "--output", "new/picture.png"]) == 0

    assert capsys.readouterr().out == "new/picture.png\n"
    ((image, number, blocks),) = seen
    np.testing.assert_array_equal(image, tiny_models.patterned_images((40, 40, 3), 1)[0])
    assert (number, blocks) == (2, ["stage/block_1"])
    with Image.open("new/picture.png") as picture:
        assert picture.size[0] == 1500


def test_class_is_given_by_number_too(run, photo, monkeypatch):
    def explain_image(model, image, number, blocks):
        raise ZeroDivisionError(f"class {number}")

    monkeypatch.setattr(explain, "explain_image", explain_image)
    for name in ("2", "cat"):
        with pytest.raises(ZeroDivisionError, match=r"^class 2$"):
            main(["explain", "photo.png", "--model", str(run), "--class", name])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["photo.png", "--model", "RUN", "--class", "cow"], "cow"),
        (["photo.png", "--model", "RUN", "--class", "5"], "'5'"),
        (["photo.png", "--model", "RUN", "--blocks", "stage/9"], "must be names of blocks"),
        (["photo.png", "--model", "RUN", "--output", "a.jpg"], "must end in .png"),
        (["photo.png", "--model", "RUN", "--crop", "2"], "at most 1"),
        (["photo.png", "--model", "RUN", "--output", "photo.png"], "not be the image itself"),
        (["absent.png", "--model", "RUN"], "absent.png: There is no such file."),
        (["photo.png", "--model", "model.tflite"], "its attention maps are not in it"),
        (["photo.png", "--model", "saved"], "its attention maps are not in it"),
        (["photo.png", "--model", "absent"], "There is nothing at absent"),
    ],
)
def test_wrong_arguments_give_a_clear_error(run, photo, arguments, sentence, capsys):
    (photo.parent / "model.tflite").touch()
    (photo.parent / "saved").mkdir()
    (photo.parent / "saved" / "saved_model.pb").touch()
    arguments = [str(run) if each == "RUN" else each for each in arguments]
    assert main(["explain", *arguments]) == 1
    assert sentence in capsys.readouterr().err
    assert not list(photo.parent.glob("*explained*"))


def test_full_disk_is_named_and_nothing_is_written(run, photo, capsys):
    arguments = ["explain", "photo.png", "--model", str(run), "--output", "new/picture.png"]
    with files_of_at_most(1000):
        assert main(arguments) == 1
    assert "The disk is full" in capsys.readouterr().err
    assert not (photo.parent / "new").exists()


def test_missing_matplotlib_is_named_with_its_remedy(run, photo, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("keras_cabvit.figures")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "keras_cabvit.explain.picture", raising=False)
    monkeypatch.delitem(sys.modules, "keras_cabvit.explain.heat", raising=False)
    monkeypatch.delitem(sys.modules, "keras_cabvit.explain.digest_panels", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["explain", "photo.png", "--model", str(run)]) == 1
    assert 'pip install "keras-cabvit[explain]"' in capsys.readouterr().err
