"""`cabvit predict`: its table, its files, its messages and its exit status."""

import csv
import os

import pytest
import tensorflow as tf
import tiny_models
from small_disk import files_of_at_most

from keras_cabvit.cli import main
from keras_cabvit.commands import predict
from keras_cabvit.runtimes import open_model

pytestmark = pytest.mark.usefixtures("png_files")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run with the classifier of patterns."""
    folder = tmp_path_factory.mktemp("run")
    tiny_models.pattern_classifier().save(folder / "model.keras")
    (folder / "labels.txt").write_text("\n".join(tiny_models.LABELS))
    (folder / "run.json").write_text('{"recipe": {"evaluation_crop": 1.0}}')
    return folder


@pytest.fixture
def folder(tmp_path):
    """Five images in three folders, one per class."""
    for number, image in enumerate(tiny_models.patterned_images((64, 64, 3), 5)):
        path = tmp_path / "images" / str(number // 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tf.io.encode_png(image).numpy())
    return tmp_path / "images"


def test_table_has_the_top_classes_of_every_image_of_a_folder(run, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["predict", ".", "--model", str(run), "--top", "2"]) == 0

    output, errors = capsys.readouterr()
    header, rule, *lines = output.splitlines()
    assert header.split() == ["file", "class", "probability"]
    assert len(lines) == 10
    firsts = [line.split() for line in lines[::2]]
    assert [first[0] for first in firsts] == [f"{number // 2}/{number}.png" for number in range(5)]
    assert [first[1] for first in firsts] == tiny_models.LABELS
    assert all(len(line) <= len(rule) for line in lines)
    assert errors.splitlines() == [f"{run.name} (Keras), 64x64 pixels, centre crop 1."]


def test_long_path_has_a_line_of_its_own(run, folder, capsys):
    path = (folder / "0" / "0.png").rename(folder / f"{'long' * 20}.png")
    assert main(["predict", str(path), "--model", str(run), "--top", "1"]) == 0

    _, rule, name, scores = capsys.readouterr().out.splitlines()
    assert name == str(path)
    assert scores.split()[0] == tiny_models.LABELS[0]
    assert len(scores) <= len(rule)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_full_disk_is_named_and_nothing_is_written(run, folder, tmp_path, ending, capsys):
    output = tmp_path / "new" / f"predictions.{ending}"
    with files_of_at_most(64):
        status = main(["predict", str(folder), "--model", str(run), "--output", str(output)])
    assert status == 1
    errors = capsys.readouterr().err
    assert f"{output} was not written." in errors
    assert errors.endswith(
        "cabvit predict: The disk is full, or the limit on the size of files is reached. Nothing "
        f"was written to {output.parent}.\n"
    )
    assert not output.parent.exists()


def test_files_that_vanish_while_it_runs_are_not_counted(
    run, folder, tmp_path, monkeypatch, capsys
):
    def opened(path):
        next(folder.rglob("*.png")).unlink()
        return open_model(path)

    monkeypatch.setattr("keras_cabvit.commands.predict.open_model", opened)
    output = tmp_path / "predictions.csv"
    assert main(["predict", str(folder), "--model", str(run), "--output", str(output)]) == 0

    printed, errors = capsys.readouterr()
    with open(output, newline="", encoding="utf-8") as file:
        count = len(list(csv.DictReader(file)))
    assert printed == f"{output} ({count} files classified)\n"
    assert f"held {count + 1} files at the start, and {count} were found." in errors


def test_broken_files_are_named_and_the_exit_status_says_so(run, folder, capsys):
    bad = folder / "bad\x1b[2J\n.jpg"
    bad.write_bytes(b"text")
    (folder / "photo.heic").touch()
    absent = folder / "absent.jpg"
    output = folder / "predictions.csv"
    arguments = ["predict", str(absent), str(folder), "--model", str(run), "--output", str(output)]
    assert main(arguments) == 1

    printed, errors = capsys.readouterr()
    assert f"{absent}: There is no such file." in errors
    assert r"bad\x1b[2J\n.jpg: The bytes are not a JPEG" in errors
    assert "Not read: 1 .heic file; `cabvit convert-images" in errors
    assert "2 of 7 files could not be read." in errors
    assert printed == f"{output} (5 files classified)\n"
    with open(output, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["class_1"] for row in rows] == ["", *tiny_models.LABELS, ""]
    assert rows[-1]["file"] == str(bad)


def test_a_folder_of_other_formats_alone_says_how_they_are_read(run, tmp_path, capsys):
    for name in ("1.HEIC", "2.heic", "3.nef"):
        (tmp_path / "phone" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "phone" / name).touch()
    assert main(["predict", str(tmp_path / "phone"), "--model", str(run)]) == 1

    errors = capsys.readouterr().err
    assert "There are no images in" in errors
    assert "Not read: 2 .heic files; `cabvit convert-images FOLDER NEW_FOLDER`" in errors
    assert "Not read: 1 .nef file; convert to JPEG." in errors


def test_assumptions_are_stated(run, folder, tmp_path, capsys):
    os.symlink(run / "model.keras", tmp_path / "alone.keras")
    main(["predict", str(folder), "--model", str(tmp_path / "alone.keras"), "--top", "1"])

    errors = capsys.readouterr().err
    assert "centre crop 0.875" in errors
    assert "nor a run.json beside it says how images are cropped" in errors
    assert "does not name its classes" in errors


def test_interruption_says_what_was_written(run, folder, tmp_path, monkeypatch, capsys):
    rows_of = predict.predict_files

    def interrupted(*args, **kwargs):
        rows = rows_of(*args, **kwargs)
        yield next(rows)
        yield next(rows)
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "predict_files", interrupted)
    output = tmp_path / "rows.csv"
    assert main(["predict", str(folder), "--model", str(run), "--output", str(output)]) == 130

    errors = capsys.readouterr().err
    incomplete = tmp_path / "rows.incomplete.csv"
    assert f"{output} was not written. The rows of the first 2 of 5 files are in {incomplete}." in (
        errors
    )
    assert len(incomplete.read_text().splitlines()) == 3
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["empty", "--model", "run"], 1, "There are no images in empty"),
        (["a.png", "--model", "absent"], 1, "There is nothing at absent"),
        (["a.png", "--model", "run", "--output", "a.txt"], 1, "`output` must end in .csv"),
        (["a.png", "--model", "run", "--top", "0"], 2, "must be an integer of at least 1"),
        (["a.png"], 2, "--model"),
    ],
)
def test_wrong_arguments_give_a_clear_error(
    arguments, status, sentence, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    try:
        found = main(["predict", *arguments])
    except SystemExit as stop:
        found = stop.code
    assert found == status
    assert sentence in capsys.readouterr().err


def test_name_of_contained_weights_is_a_model(run, folder, monkeypatch):
    opened = []

    def open_pretrained(name):
        opened.append(name)
        return open_model(run)

    monkeypatch.setattr(predict, "open_pretrained", open_pretrained)
    assert main(["predict", str(folder), "--model", "tiny_imagenet"]) == 0
    assert opened == ["tiny_imagenet"]
