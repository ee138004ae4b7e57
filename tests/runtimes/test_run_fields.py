"""Fields of run.json files that were edited or written by another program."""

import json

import pytest

from keras_cabvit.runtimes.run_record import read_run

RIGHT = {
    "recipe": {
        "evaluation_crop": None,
        "validation_share": 0.1,
        "group_duplicates": True,
        "model": {"image_size": [32, 64]},
    },
    "class_names": ["cat", "dog"],
    "images_per_class": {"training": [3, 4], "test": None},
    "none_of_these": {
        "threshold": 0.5,
        "coverage": 0.95,
        "validation": {"images": 7, "refused": 0.1, "right_refused": 0, "wrong_refused": None},
    },
    "early_stop": None,
    "continued": [{"hardware": "2 cores"}, {"optimization": {"learning_rate": [0.1, 0.2]}}],
    "validation_images": [],
    "of another program": {"recipe": 3},
}


def written(folder, field, value):
    """Writes a run.json in which the field with a dotted name has another value."""
    run = json.loads(json.dumps(RIGHT))
    *outer, last = field.split(".")
    place = run
    for name in outer:
        place = place[name]
    place[last] = value
    (folder / "run.json").write_text(json.dumps(run))


def test_fields_may_be_missing_null_or_of_another_program(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RIGHT))
    assert read_run(tmp_path) == RIGHT


@pytest.mark.parametrize(
    ("field", "value", "right"),
    [
        ("class_names", "cat", "a list of texts"),
        ("class_names", [1, 2], "a list of texts"),
        ("recipe", "resnet", "an object"),
        ("recipe.evaluation_crop", "0.9", "a number above 0, at most 1"),
        ("recipe.evaluation_crop", 87.5, "a number above 0, at most 1"),
        ("recipe.evaluation_crop", True, "a number above 0, at most 1"),
        ("recipe.model", [], "an object"),
        ("recipe.model.image_size", "32x32", r"\[height, width\] in pixels"),
        ("recipe.model.image_size", 32, r"\[height, width\] in pixels"),
        ("recipe.model.image_size", [32.5, 32], r"\[height, width\] in pixels"),
        ("recipe.validation_share", 10, "a number from 0 to 1"),
        ("recipe.group_duplicates", "no", "true or false"),
        ("seed", "5", "an integer"),
        ("data", 3, "text"),
        ("checksums", [], "an object"),
        ("validation_images", "a.jpg", "a list of texts"),
        ("validation_images", [3], "a list of texts"),
        ("images_per_class.training", {"cat": 3}, "a list of integers"),
        ("none_of_these", 0.5, "an object with threshold, coverage and validation"),
        ("none_of_these.threshold", "0.5", "a number from 0 to 1"),
        ("none_of_these.validation", {"images": 7}, "an object with images, refused and"),
        ("extends", {"run": "before"}, "an object with run, added and removed"),
        ("continued", {}, "a list of objects"),
        ("continued", [{}, {"optimization": {"epochs": [1, 2]}}, {"versions": "3"}], "an object"),
        ("continued", [{"optimization": [0.1, 0.2]}], "an object of lists"),
        ("continued", [{"optimization": {"epochs": 3}}], "an object of lists"),
        ("continued", [{"optimization": {"epochs": [3]}}], "an object of lists"),
        ("seconds", float("nan"), "a number"),
    ],
)
def test_field_of_another_type_is_named_with_the_right_one(tmp_path, field, value, right):
    written(tmp_path, field, value)

    with pytest.raises(ValueError, match=rf"run\.json is damaged: {field}\S* must be {right}"):
        read_run(tmp_path)


def test_long_values_are_cut_in_the_error(tmp_path):
    written(tmp_path, "class_names", list(range(10_000)))

    with pytest.raises(ValueError, match=r"It is \[0, 1, 2, 3, 4, 5, \.\.\.\]") as error:
        read_run(tmp_path)
    assert len(str(error.value)) < 500
