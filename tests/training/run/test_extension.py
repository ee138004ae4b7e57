"""A finished run as the start of another, after photographs were added."""

import dataclasses
import gzip
import json
import shutil

import pytest
from PIL import Image
from tiny_runs import RECIPE, image_folder

from training.data.folder import Draw
from training.data.folder import image_folder as open_folder
from training.data.image_list import image_list, read_image_list, write_image_list
from training.run.extension import extension


def opened(folder):
    return open_folder(folder, Draw(0.25, seed=0))


@pytest.fixture
def finished(tmp_path):
    """A folder of images and the record of a finished run on it, without its training."""
    images, run = image_folder(tmp_path / "images"), tmp_path / "run"
    run.mkdir()
    (run / "model.keras").touch()
    record = {
        "recipe": {"epochs": 9},
        "epoch": 7,
        "finished": "yes",
        "checksums": opened(images).checksums(),
    }
    (run / "run.json").write_text(json.dumps(record))
    write_image_list(run, opened(images))
    return images, run


def add(images, name, count):
    """Adds images to a class."""
    (images / name).mkdir(exist_ok=True)
    for number in range(count):
        Image.new("RGB", (8, 8)).save(images / name / f"new_{number}.png")


def test_the_same_images_keep_their_split(finished):
    images, run = finished
    found = extension(run, RECIPE, opened(images), 0, None)

    assert found.recipe.model.initial_weights == str(run / "model.keras")
    assert "trained for 7 of 9 epochs" in found.text
    assert "The images are the same." in found.text
    assert found.data_set.checksums() == opened(images).checksums()
    assert "validation_images" not in found.record


def test_no_image_that_the_model_has_learned_becomes_a_validation_image(finished):
    images, run = finished
    learned = set(read_image_list(run)["training"])
    held_before = set(read_image_list(run)["validation"])
    add(images, "bright", 8)
    add(images, "cats", 4)
    (images / "dark" / "000.png").unlink()
    anew = image_list(opened(images))
    assert learned & set(anew["validation"])  # what the split alone would do
    found = extension(run, RECIPE, opened(images), 0, None)
    now = image_list(found.data_set)

    assert not learned & set(now["validation"])
    assert held_before - {"dark/000.png"} <= set(now["validation"])
    new = {name for name in now["validation"] if name not in held_before}
    assert sorted({name.partition("/")[0] for name in new}) == ["bright", "cats"]
    assert len(new) == 3  # a quarter of 12
    everything = set(now["training"]) | set(now["validation"])
    assert everything == set(anew["training"]) | set(anew["validation"])
    assert found.record["extends"] == {"run": str(run), "epoch": 7, "added": 12, "removed": 1}


def test_added_and_removed_images_are_told_by_class(finished):
    images, run = finished
    add(images, "bright", 3)
    (images / "dark" / "000.png").unlink()
    text = extension(run, RECIPE, opened(images), 0, None).text

    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    assert ["bright", "3", "0", "23"] in rows
    assert ["dark", "0", "1", "19"] in rows


def test_resumed_extension_has_the_same_split_without_its_source(finished):
    images, run = finished
    add(images, "bright", 8)
    first = extension(run, RECIPE, opened(images), 0, None)
    own = first.record | {"validation_note": first.data_set.validation_note}
    shutil.rmtree(run)
    again = extension(run, RECIPE, opened(images), 0, json.loads(json.dumps(own)))

    assert again.data_set.checksums() == first.data_set.checksums()
    assert again.data_set.validation_note == first.data_set.validation_note
    assert again.record == first.record


def test_changed_images_without_a_list_are_refused(finished):
    images, run = finished
    (run / "images.json.gz").unlink()
    add(images, "bright", 1)

    with pytest.raises(ValueError, match=r"keeps no list of them.*Train anew with its recipe"):
        extension(run, RECIPE, opened(images), 0, None)


@pytest.mark.parametrize("gone", ["run.json", "model.keras", "finished"])
def test_only_a_finished_run_can_be_extended(finished, gone):
    images, run = finished
    if gone == "finished":
        (run / "run.json").write_text(json.dumps({"command": "the command"}))
    else:
        (run / gone).unlink()

    with pytest.raises(ValueError, match="must be the folder of a finished run") as error:
        extension(run, RECIPE, opened(images), 0, None)
    assert ("this command resumes it: the command" in str(error.value)) == (gone == "finished")


def test_damaged_list_gives_a_clear_error(finished):
    _, run = finished
    file = run / "images.json.gz"
    file.write_bytes(file.read_bytes()[:-9])

    with pytest.raises(ValueError, match=r"images\.json\.gz is damaged: restore it"):
        read_image_list(run)


@pytest.mark.parametrize(
    "content", [[], {"training": {}}, {"training": {"a": 1}, "validation": {}}]
)
def test_list_of_another_form_gives_a_clear_error(tmp_path, content):
    file = tmp_path / "images.json.gz"
    file.write_bytes(gzip.compress(json.dumps(content).encode()))

    with pytest.raises(ValueError, match=r"images\.json\.gz is damaged: it must give the class"):
        read_image_list(tmp_path)


def test_validation_must_not_become_empty(finished):
    images, run = finished
    for name in read_image_list(run)["validation"]:
        (images / name).unlink()

    with pytest.raises(ValueError, match="No image is left for validation"):
        extension(run, dataclasses.replace(RECIPE), opened(images), 0, None)
