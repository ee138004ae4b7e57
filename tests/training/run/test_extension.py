"""A finished run as the start of another, after photographs were added."""

import dataclasses
import gzip
import json
import shutil

import pytest
from PIL import Image
from tiny_runs import RECIPE, image_folder

from training.data import contents
from training.data.folder import Draw
from training.data.folder import image_folder as open_folder
from training.data.image_list import image_list, read_image_list, write_image_list
from training.run.extension import extension


def opened(folder, labels=None):
    return open_folder(folder, Draw(0.25, seed=0), labels=labels)


def by_contents(folder, names):
    """Returns the contents of images of a folder."""
    return {(folder / name).read_bytes() for name in names}


def finished_run(folder, checksums, **others):
    """Writes the folder of a finished run, with `others` in its record; returns its path."""
    folder.mkdir()
    (folder / "model.keras").touch()
    record = {"recipe": {"epochs": 9}, "epoch": 7, "finished": "yes", "checksums": checksums}
    (folder / "run.json").write_text(json.dumps(record | others))
    return folder


@pytest.fixture
def finished(tmp_path):
    """A folder of images and the record of a finished run on it, without its training."""
    images = image_folder(tmp_path / "images")
    run = finished_run(tmp_path / "run", opened(images).checksums())
    write_image_list(run, opened(images))
    return images, run


def images_and_parts(images, run):
    """Yields the paths of the images of a run's list, and the split of each."""
    before = read_image_list(run)
    for part in ("training", "validation"):
        for name in before[part]:
            yield images / name, part


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


def test_images_of_more_than_a_gibibyte_are_known_by_their_names(finished, monkeypatch):
    images, run = finished
    monkeypatch.setattr(contents, "_MOST_BYTES", 100)
    write_image_list(run, opened(images))
    before = read_image_list(run)
    add(images, "bright", 8)
    now = image_list(extension(run, RECIPE, opened(images), 0, None).data_set)

    assert before["contents"] == {}
    assert not before["training"].keys() & now["validation"].keys()
    assert before["validation"].keys() <= now["validation"].keys()


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


def test_images_of_a_renamed_class_keep_their_role(finished):
    images, run = finished
    before = read_image_list(run)
    learned, held = (by_contents(images, before[part]) for part in ("training", "validation"))
    (images / "dark").rename(images / "night")
    add(images, "night", 4)
    anew = by_contents(images, image_list(opened(images))["validation"])
    assert learned & anew  # what the split alone would do
    found = extension(run, RECIPE, opened(images), 0, None)
    now = by_contents(images, image_list(found.data_set)["validation"])

    assert not learned & now
    assert held <= now
    assert "20 added images were known under another name" in found.text
    assert not found.earlier  # all that were learned are still training images


def test_files_that_exchange_their_names_keep_their_role(finished):
    images, run = finished
    before = read_image_list(run)
    learned = by_contents(images, before["training"])
    one, other = (next(iter(before[part])) for part in ("training", "validation"))
    (images / one).rename(images / "other.png")
    (images / other).rename(images / one)
    (images / "other.png").rename(images / other)
    found = extension(run, RECIPE, opened(images), 0, None)

    assert "The images are the same" not in found.text
    assert not learned & by_contents(images, image_list(found.data_set)["validation"])


def test_edited_images_keep_their_role(finished):
    images, run = finished
    before = read_image_list(run)
    for file, _ in images_and_parts(images, run):
        with Image.open(file) as image:
            rotated = image.rotate(180)
        rotated.save(file)
    add(images, "bright", 8)
    now = image_list(extension(run, RECIPE, opened(images), 0, None).data_set)

    assert not before["training"].keys() & now["validation"].keys()
    assert before["validation"].keys() <= now["validation"].keys()


def test_images_that_an_earlier_run_learned_are_not_held_out_when_they_return(finished, tmp_path):
    images, run = finished
    learned = sorted(read_image_list(run)["training"])[:12]
    away = tmp_path / "away"
    for name in learned:
        (away / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).rename(away / name)
    first = extension(run, RECIPE, opened(images), 0, None)
    second = finished_run(tmp_path / "second", checksums={})
    write_image_list(second, first.data_set, first.earlier)
    for name in learned:
        (away / name).rename(images / f"bright/again_{name.replace('/', '_')}")
    add(images, "bright", 4)
    found = extension(second, RECIPE, opened(images), 0, None)
    now = image_list(found.data_set)["validation"]

    assert not [name for name in now if "again" in name]
    assert [name for name in now if "new" in name]


def test_test_images_that_the_model_has_learned_are_refused(finished):
    images, run = finished
    learned = next(iter(read_image_list(run)["training"]))
    for name in ("bright", "dark"):
        (images / "train").mkdir(exist_ok=True)
        (images / name).rename(images / "train" / name)
    (images / "test" / learned).parent.mkdir(parents=True)
    (images / "train" / learned).rename(images / "test" / learned)

    with pytest.raises(ValueError, match=f"1 of the 1 test images are images.*test/{learned}"):
        extension(run, RECIPE, opened(images), 0, None)


def test_near_duplicates_of_learned_images_are_not_held_out(finished):
    images, run = finished
    before = read_image_list(run)
    for file, part in images_and_parts(images, run):
        with Image.open(file) as image:
            image.save(file.with_name(f"{part}_{file.name}"), "PNG", compress_level=1)
    data_set = open_folder(images, Draw(0.25, seed=0, group_duplicates=True))
    found = extension(run, RECIPE, data_set, 0, None).data_set
    now = image_list(found)["validation"]

    assert len(found.duplicates.groups) == 40
    assert not found.duplicates.across_splits
    assert not [note for note in found.notes if "near duplicate" in note]
    assert sorted(now) == sorted(
        f"{name[:-7]}{prefix}{name[-7:]}"
        for name in before["validation"]
        for prefix in ("", "validation_")
    )


def test_other_classes_under_the_same_names_are_counted(finished, tmp_path):
    images, run = finished
    data_set, table = opened(images), tmp_path / "labels.csv"
    parts = image_list(data_set)
    pool = parts["training"] | parts["validation"]
    relabelled = sorted(pool)[:3]
    rows = [f"{name},{'dark' if name in relabelled else label}" for name, label in pool.items()]
    table.write_text("\n".join(["file,class", *rows]))
    text = extension(run, RECIPE, opened(images, table), 0, None).text

    assert "The images have the same names as then" in text
    assert "3 images were given another class." in text


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


def test_resumed_extension_starts_from_the_same_model_where_its_source_was_moved(finished):
    images, run = finished
    first = extension(run, RECIPE, opened(images), 0, None)
    moved = run.rename(run.with_name("moved"))
    again = extension(moved, RECIPE, opened(images), 0, first.record)
    other = shutil.copytree(moved, run).with_name("moved")
    refused = extension(other, RECIPE, opened(images), 0, first.record)

    assert again.recipe == first.recipe
    assert refused.recipe != first.recipe  # the source is there, and this is another


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


def test_extension_of_an_extension_says_that_the_images_are_the_same(finished, tmp_path):
    images, run = finished
    add(images, "bright", 8)
    first = extension(run, RECIPE, opened(images), 0, None)
    second = finished_run(tmp_path / "second", first.data_set.checksums(), **first.record)
    for listed in (True, False):  # a published run has no list
        if listed:
            write_image_list(second, first.data_set, first.earlier)
        else:
            (second / "images.json.gz").unlink()
        found = extension(second, RECIPE, opened(images), 0, None)
        assert "The images are the same." in found.text
        assert found.data_set.checksums() == first.data_set.checksums()
        assert found.record["validation_images"] == first.record["validation_images"]
