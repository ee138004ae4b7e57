import json
import shutil

import numpy as np
import pytest
from PIL import Image
from report_text import leave_out_pictures
from small_classifier import CLASS_NAMES, SIZE, noise, save_forms, small_classifier

from training.compare import compare, score_forms
from training.data.array_split import ArraySplit
from training.data.data_set import DataSet
from training.data.image_list import with_validation, write_image_list
from training.data.opening import open_data_set
from training.evaluate import evaluate
from training.evaluation.predictions import Framing, predict_split
from training.report.classes import classes
from training.report.score_table import score_table

# Every test opens an exported model.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("png_files")]

COUNT = 36


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose model classifies two thirds of `data/test` correctly, and `data` itself."""
    folder = tmp_path_factory.mktemp("run")
    model = small_classifier()
    save_forms(model, folder, crop=1.0)
    (folder / "labels.txt").write_text("\n".join(CLASS_NAMES) + "\n")
    (folder / "run.json").write_text(
        json.dumps(
            {
                "recipe": {"evaluation_crop": 1.0, "validation_share": 0.5},
                "data": f"folder:{folder / 'data'}",
                "split_seed": 3,
            }
        )
    )
    (folder / "metrics.csv").write_text("epoch,loss,val_top1\n1,2.0,0.25\n2,1.0,0.5\n")
    images = noise(COUNT)
    predicted = model.predict_on_batch(images).argmax(axis=1)
    assert len(np.unique(predicted)) == 4
    for number, (image, label) in enumerate(zip(images, predicted, strict=True)):
        right = number % 3 > 0
        write(folder / "data" / "test", label if right else (label + 1) % 4, number, image)
    for number, image in enumerate(noise(16, seed=1)):
        write(folder / "data" / "train", number % 4, number, image)
    return folder


@pytest.fixture(scope="module")
def evaluation(run):
    """The run, scored once with its own data. Tests leave it unchanged."""
    return evaluate(run, batch_size=5, latency_rounds=1)


def write(folder, label, number, image):
    folder = folder / CLASS_NAMES[label]
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(folder / f"{number:02}.png")


def data_set(images, labels, class_names=CLASS_NAMES, test=True):
    split = ArraySplit(images, labels, class_names, "image")
    return DataSet(
        "noise", class_names, split, split, split if test else None, "They were drawn by hand."
    )


def test_threshold_for_none_of_these_is_chosen_on_validation_images(evaluation):
    refusal = evaluation.refusal

    assert (refusal.validation.images, refusal.scored.images) == (8, COUNT)
    assert refusal.validation.right_refused <= 0.05


def test_threshold_of_the_run_is_kept(run, tmp_path):
    for name in ("model.keras", "labels.txt"):
        shutil.copy(run / name, tmp_path)
    record = json.loads((run / "run.json").read_text())
    cost = {"images": 8, "refused": 0, "right_refused": 0, "wrong_refused": None, "accuracy": 1}
    record["none_of_these"] = {"threshold": 0.9999, "coverage": 0.95, "validation": cost}
    (tmp_path / "run.json").write_text(json.dumps(record))
    refusal = evaluate(tmp_path, latency_rounds=1).refusal

    assert refusal.threshold == 0.9999
    assert refusal.validation.accuracy == 1
    assert refusal.scored.images == COUNT


def test_suspects_have_their_images_and_are_mistakes(evaluation):
    mistakes = {each.name: each for each in evaluation.mistakes}

    assert 0 < len(evaluation.suspects) <= len(mistakes)
    for suspect in evaluation.suspects:
        mistake = mistakes[suspect.name]
        np.testing.assert_array_equal(suspect.image, mistake.image)
        assert (suspect.label, suspect.predicted) == (mistake.label, mistake.predicted)


def test_image_files_are_scored_in_their_folder(evaluation):
    assert evaluation.scores.images == COUNT
    assert evaluation.scores.top1 == pytest.approx(2 / 3)
    wrong = {
        name
        for name, label, predicted in zip(
            evaluation.names, evaluation.labels, evaluation.predicted, strict=True
        )
        if label != predicted
    }
    assert {int(name[-6:-4]) for name in wrong} == set(range(0, COUNT, 3))
    assert all(name.startswith("test/") for name in evaluation.names)


def test_run_knows_its_own_data_and_crop(evaluation):
    assert evaluation.scores.top1 == pytest.approx(2 / 3)
    assert (evaluation.crop, evaluation.image_size) == (1.0, SIZE)
    assert evaluation.note == "The 36 test images of data were scored."


def test_mistakes_are_the_most_confident_ones_as_the_model_saw_them(run, evaluation):
    confidence = [mistake.confidence for mistake in evaluation.mistakes]

    assert len(confidence) == COUNT // 3
    assert confidence == sorted(confidence, reverse=True)
    for mistake in evaluation.mistakes:
        file = run / "data" / mistake.name
        np.testing.assert_array_equal(mistake.image, np.asarray(Image.open(file)))
        assert file.parent.name == CLASS_NAMES[mistake.label]
        assert mistake.predicted != mistake.label


def test_only_the_worst_mistakes_are_kept():
    images = noise(40)
    shares = np.linspace(0.3, 0.9, 40)
    values = {image.tobytes(): share for image, share in zip(images, shares, strict=True)}

    def predict(batch):  # always wrong, and more confident with every image
        sure = np.array([values[image.tobytes()] for image in batch])
        return np.stack([1 - sure, sure * 0, sure * 0, sure], axis=1)

    split = data_set(images, np.full(40, 1)).test
    predictions = predict_split(predict, split, Framing(SIZE, batch_size=7))

    assert len(predictions.mistakes) == 24
    assert [mistake.name for mistake in predictions.mistakes[:2]] == ["image 39", "image 38"]


def test_suspects_beyond_the_kept_mistakes_have_their_images():
    images = noise(31)
    confident, contradicted, right = [0.7, 0.3, 0, 0], [0.6, 0, 0.4, 0], [0.5, 0.3, 0.2, 0]
    rows = [confident] * 24 + [contradicted] * 5 + [right] * 2
    values = {image.tobytes(): row for image, row in zip(images, rows, strict=True)}

    def predict(batch):
        return np.array([values[image.tobytes()] for image in batch], "float32")

    split = data_set(images, np.array([1] * 29 + [0] * 2)).test
    predictions = predict_split(predict, split, Framing(SIZE, batch_size=8))

    assert [mistake.confidence for mistake in predictions.mistakes] == pytest.approx([0.7] * 24)
    first = predictions.suspects[:5]
    assert [suspect.name for suspect in first] == [f"image {number}" for number in range(24, 29)]
    for number, suspect in enumerate(first, 24):
        np.testing.assert_array_equal(suspect.image, images[number])


def test_data_without_test_images_falls_back_to_validation_with_a_note(run):
    images = noise(8)
    evaluation = evaluate(run, data_set(images, np.arange(8) % 4, test=False), latency_rounds=1)

    assert evaluation.note.startswith(
        "noise has no test images of its own. The 8 validation images of noise were scored. "
        "They were drawn by hand. The model was not trained on them. Choices were made on them"
    )


@pytest.mark.parametrize(
    ("recipe", "extends", "chosen"),
    [
        ({"select": "last", "patience": None}, None, False),
        ({"select": "last", "patience": 5}, None, True),
        ({"select": "last", "patience": None}, {"run": "first", "added": 0, "removed": 0}, True),
        ({"select": "best"}, None, True),
    ],
)
def test_what_was_chosen_on_validation_images_is_said(run, recipe, extends, chosen, tmp_path):
    model = shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("data"))
    record = json.loads((run / "run.json").read_text())
    record |= {"recipe": record["recipe"] | recipe, "extends": extends}
    (model / "run.json").write_text(json.dumps(record))
    data = f"folder:{run / 'data'}"
    evaluation = evaluate(model / "model.tflite", data, "validation", latency_rounds=1)

    assert ("Choices were made on them" in evaluation.note) == chosen
    assert ("were not chosen on them" in evaluation.note) != chosen


def test_validation_split_of_a_run_is_the_one_it_had(run):
    first, again = (
        evaluate(run / name, f"folder:{run / 'data'}", "validation", latency_rounds=1)
        for name in (".", "model.tflite")
    )

    assert len(first.names) == 8  # half of 16, as in the run's recipe
    assert "with seed 3. The model was not trained on them." in first.note
    assert first.names == again.names


def test_validation_images_that_a_run_chose_are_those_of_its_folder_by_any_name(run, tmp_path):
    model = with_checksums(run, tmp_path / "run", ("train", "test"))
    record = json.loads((model / "run.json").read_text())
    data_set = open_data_set(record["data"], 0.5, record["split_seed"])
    others = [name for name, _ in data_set.training.files_and_classes()]
    chosen = with_validation(data_set, others, "chosen")
    record |= {"validation_images": others, "validation_note": "They are those of an extension."}
    record |= {"data_source": data_set.source, "checksums": chosen.checksums()}
    (model / "run.json").write_text(json.dumps(record))
    evaluation = evaluate(model, f"folder:{model}/../run/data", "validation", latency_rounds=1)

    assert sorted(evaluation.names) == sorted(others)
    assert "They are those of an extension. The model was not trained on them." in evaluation.note


def with_checksums(run, folder, parts):
    """Copies a run and the named parts of its data; run.json identifies the images."""
    shutil.copytree(run, folder, ignore=lambda path, names: {"data"} & set(names))
    for part in parts:
        shutil.copytree(run / "data" / part, folder / "data" / part)
    record = json.loads((run / "run.json").read_text()) | {"data": f"folder:{folder / 'data'}"}
    data = open_data_set(record["data"], record["recipe"]["validation_share"], record["split_seed"])
    record |= {"checksums": data.checksums(), "test_note": "They were scored once."}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_images_added_to_a_run_are_not_taken_for_its_validation_images(run, tmp_path):
    folder = with_checksums(run, tmp_path / "run", ["train"])
    before = evaluate(folder, latency_rounds=1)
    assert "The model was not trained on them" in before.note
    for number, image in enumerate(noise(4, seed=2)):
        write(folder / "data" / "train", number, 90 + number, image)

    with pytest.raises(ValueError, match="the images it was not trained on are unknown"):
        evaluate(folder)
    evaluation = evaluate(folder, split="training", latency_rounds=1)
    assert "Some were added, removed or given another class since then." in evaluation.note


def test_test_images_of_a_run_are_distinguished_from_others(run, tmp_path, monkeypatch):
    leave_out_pictures(monkeypatch)
    folder = with_checksums(run, tmp_path / "run", ["train", "test"])
    evaluate(folder, out=tmp_path / "own", latency_rounds=1)
    other = data_set(noise(8), np.arange(8) % 4)
    evaluate(folder, other, out=tmp_path / "other", latency_rounds=1)

    assert "They were scored once." in (tmp_path / "own" / "report.md").read_text()
    report = (tmp_path / "other" / "report.md").read_text()
    assert "They were scored once." not in report
    assert f"The model was trained on other data: folder:{folder / 'data'}." in report


def test_all_images_can_be_scored(run, tmp_path):
    shutil.copy(run / "model.keras", tmp_path)
    images = noise(12)
    parts = [ArraySplit(part, np.zeros(4, int), CLASS_NAMES) for part in np.split(images, 3)]
    data = DataSet("noise", CLASS_NAMES, *parts, "They were drawn by hand.")
    evaluation = evaluate(tmp_path / "model.keras", data, "all", crop=1.0, latency_rounds=1)

    assert evaluation.note.startswith("All 12 images of noise were scored. It is unknown whether")
    expected = small_classifier().predict_on_batch(images).argmax(axis=1)
    np.testing.assert_array_equal(evaluation.predicted, expected)


def test_classes_in_another_order_are_matched_by_name(run):
    order = [2, 0, 3, 1]
    images = noise(COUNT)
    labels = small_classifier().predict_on_batch(images).argmax(axis=1)
    shuffled = np.array([order.index(label) for label in labels])
    data = data_set(images, shuffled, tuple(CLASS_NAMES[index] for index in order))
    evaluation = evaluate(run, data, latency_rounds=1)

    assert evaluation.scores.top1 == 1
    assert any("matched by name" in note for note in evaluation.notes)


def test_names_in_another_case_are_the_same_classes(run):
    images = noise(COUNT)
    labels = small_classifier().predict_on_batch(images).argmax(axis=1)
    names = ("Dog", "ant", "bee", "cat")  # a folder's order
    evaluation = evaluate(run, data_set(images, (labels + 1) % 4, names), latency_rounds=1)

    assert evaluation.scores.top1 == 1
    assert any("Dog is dog" in note for note in evaluation.notes)


@pytest.mark.parametrize("form", [".", "servable", "model.tflite"])
def test_other_names_are_refused_unless_positions_are_asked_for(run, form):
    images = noise(COUNT)
    labels = small_classifier().predict_on_batch(images).argmax(axis=1)
    data = data_set(images, labels, ("n1", "n2", "n3", "n4"))

    with pytest.raises(ValueError, match=r"'n1', .* of noise: n1, n2, .*: ant, bee, cat, dog\."):
        evaluate(run / form, data)
    with pytest.raises(ValueError, match="'n1'"):
        compare([run, run / form], data)
    evaluation = evaluate(run / form, data, classes_by_position=True, latency_rounds=1)
    assert evaluation.scores.top1 == 1
    assert "order n1, n2, n3, n4: as you asked" in evaluation.notes[0]


@pytest.mark.parametrize("names", [("dog", "bee"), ("dog",)])
def test_data_with_some_of_the_classes_is_scored(run, names):
    images = noise(COUNT)
    predicted = small_classifier().predict_on_batch(images).argmax(axis=1)
    names_of_images = np.array(CLASS_NAMES)[predicted]
    kept = np.isin(names_of_images, names)
    labels = np.array([names.index(name) for name in names_of_images[kept]])
    labels[0] = -1 % len(names)
    data = data_set(images[kept], labels, names)
    evaluation = evaluate(run, data, latency_rounds=1)

    right = labels == [names.index(name) for name in names_of_images[kept]]
    assert evaluation.scores.top1 == pytest.approx(right.mean())
    assert evaluation.class_names[: len(names)] == names
    assert sorted(evaluation.class_names) == sorted(CLASS_NAMES)
    assert evaluation.scores.support[len(names) :].sum() == 0
    assert f"only {len(names)} of the 4 classes" in evaluation.notes[-2]
    table = classes(evaluation.scores, evaluation.class_names)
    assert "| dog " in table
    assert "| ant " not in table
    assert compare([run, run / "model.tflite"], data, latency_rounds=1).rows[1].agreement == 1


def test_models_of_other_classes_agree_by_name(run, tmp_path):
    model = small_classifier()
    order = [3, 1, 0, 2]
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel[:, order], bias[order]])
    model.save(tmp_path / "model.keras")
    (tmp_path / "labels.txt").write_text("\n".join(CLASS_NAMES[place] for place in order))
    images = noise(COUNT)
    data = data_set(images, np.zeros(COUNT, int), ("bee",))

    assert compare([run, tmp_path / "model.keras"], data, latency_rounds=1).rows[1].agreement == 1


@pytest.mark.parametrize("form", ["model.keras", "model.tflite"])
def test_assumed_order_of_unnamed_classes_is_stated(run, tmp_path, form):
    shutil.copy(run / form, tmp_path)
    evaluation = evaluate(tmp_path / form, data_set(noise(4), np.arange(4)), latency_rounds=1)

    assert any("order ant, bee, cat, dog" in note for note in evaluation.notes)
    data = data_set(noise(6), np.arange(6) % 3, ("ant", "bee", "cat"))
    with pytest.raises(ValueError, match="has 4 classes without names, and noise has 3"):
        evaluate(tmp_path / form, data)


def test_broken_image_is_listed_and_not_scored(run, tmp_path):
    data = shutil.copytree(run / "data", tmp_path / "data")
    file = data / "test" / "bee" / "broken.png"
    file.write_bytes(b"no image")
    evaluation = evaluate(run, f"folder:{data}", latency_rounds=1)

    assert evaluation.broken_names == ("test/bee/broken.png",)
    assert evaluation.notes[0].startswith("1 of the images cannot be read and got no score: test/")
    assert evaluation.scores.images == COUNT
    assert evaluation.scores.top1 == pytest.approx(2 / 3)
    assert "test/bee/broken.png" not in evaluation.names


def test_data_of_only_broken_images_gives_a_clear_error(run, tmp_path):
    data = shutil.copytree(run / "data", tmp_path / "data")
    for file in (data / "test").rglob("*.png"):
        file.write_bytes(b"no image")

    with pytest.raises(ValueError, match="None of the 36 images can be read"):
        evaluate(run, f"folder:{data}")


def test_crop_of_a_file_without_a_run_is_the_authors_with_a_note(run, tmp_path):
    shutil.copy(run / "model.keras", tmp_path)
    data = data_set(noise(4), np.arange(4))
    evaluation = evaluate(tmp_path / "model.keras", data, latency_rounds=1)

    assert evaluation.crop == 0.875
    assert "says how images are cropped" in evaluation.notes[0]
    notes = evaluate(tmp_path / "model.keras", data, crop=1.0, latency_rounds=1).notes
    assert not any("says how images are cropped" in note for note in notes)


def test_crop_that_an_export_states_is_evaluated_without_its_run(run, tmp_path):
    shutil.copy(run / "model.tflite", tmp_path)
    evaluation = evaluate(
        tmp_path / "model.tflite", data_set(noise(4), np.arange(4)), latency_rounds=1
    )

    assert evaluation.crop == 1.0
    assert not any("says how images are cropped" in note for note in evaluation.notes)


def test_crop_that_a_run_leaves_to_the_authors_is_known(run, tmp_path):
    shutil.copy(run / "model.keras", tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"recipe": {"evaluation_crop": None}}))
    evaluation = evaluate(
        tmp_path / "model.keras", data_set(noise(4), np.arange(4)), latency_rounds=1
    )

    assert evaluation.crop == 0.875
    assert not any("says how images are cropped" in note for note in evaluation.notes)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"split": "exam"}, "`split` must be one of test, validation, training"),
        ({"data": None}, "Say which data to evaluate on"),
        ({"image_size": (32, 32)}, "`image_size` must be 16x12.*Received: 32x32"),
    ],
)
def test_wrong_arguments_give_a_clear_error(run, tmp_path, options, sentence):
    shutil.copy(run / "model.keras", tmp_path)
    arguments = {"data": data_set(noise(4), np.arange(4))} | options

    with pytest.raises(ValueError, match=sentence):
        evaluate(tmp_path / "model.keras", **arguments)


def test_report_of_a_run_has_its_curves(run, tmp_path):
    data = data_set(noise(4), np.arange(4))
    evaluate(run, data, out=tmp_path / "of_run", latency_rounds=1)
    shutil.copy(run / "model.keras", tmp_path)
    evaluate(tmp_path / "model.keras", data, out=tmp_path / "of_file", latency_rounds=1)

    assert (tmp_path / "of_run" / "curves.png").is_file()
    assert (tmp_path / "of_file" / "report.md").is_file()
    assert not (tmp_path / "of_file" / "curves.png").exists()


def test_report_of_a_run_is_replaced_only_by_the_same(run, tmp_path, monkeypatch):
    leave_out_pictures(monkeypatch)
    out = tmp_path / "run"
    out.mkdir()
    for name in ("model.keras", "model.tflite", "labels.txt"):
        shutil.copy(run / name, out)
    record = json.loads((run / "run.json").read_text())
    record["checksums"] = open_data_set(record["data"], 0.5, 3).checksums()
    (out / "run.json").write_text(json.dumps(record))
    (out / "report.md").write_text("of the run")
    other = f"folder:{run / 'data' / 'train'}"
    sentence = f"its own report, {out / 'report.md'}, .* Choose {tmp_path / 'run_evaluation'}"

    for model, options in (
        (out, {"data": other}),
        (out, {"split": "validation"}),
        (out, {"crop": 0.5}),
        (out / "model.tflite", {}),
        (run, {}),
    ):
        with pytest.raises(ValueError, match=sentence):
            evaluate(model, out=out, latency_rounds=1, **options)
    assert (out / "report.md").read_text() == "of the run"
    assert len(list(out.iterdir())) == 5

    evaluate(out, out=out, latency_rounds=1)
    assert "66.7" in (out / "report.md").read_text()


@pytest.mark.parametrize("form", [".", "model.keras", "servable", "model.tflite", "model.onnx"])
def test_every_form_gets_the_same_score(run, form):
    images = noise(COUNT)
    labels = small_classifier().predict_on_batch(images).argmax(axis=1)
    labels[::3] = (labels[::3] + 1) % 4
    evaluation = evaluate(run / form, data_set(images, labels), crop=1.0, latency_rounds=1)

    np.testing.assert_array_equal(np.flatnonzero(evaluation.predicted != labels) % 3, 0)
    assert evaluation.scores.top1 == pytest.approx(2 / 3)


def test_saved_model_gets_the_same_score_on_image_files(run, evaluation):
    saved = evaluate(run / "servable", f"folder:{run / 'data'}", crop=1.0, latency_rounds=1)

    assert saved.names == evaluation.names
    np.testing.assert_array_equal(saved.predicted, evaluation.predicted)
    assert saved.scores.top1 == pytest.approx(2 / 3)


def test_comparison_has_a_row_for_every_model(run, evaluation, tmp_path):
    other = small_classifier(seed=5)
    other.save(tmp_path / "other.keras")
    paths = [run, run / "servable", run / "model.tflite", tmp_path / "other.keras"]
    images = np.stack([np.asarray(Image.open(run / "data" / name)) for name in evaluation.names])
    comparison = compare(paths, data_set(images, evaluation.labels), latency_rounds=2)

    first, saved, lite, last = comparison.rows
    assert [row.form for row in comparison.rows] == ["Keras", "SavedModel", "TFLite", "Keras"]
    assert [row.top1 for row in (first, saved, lite)] == [pytest.approx(2 / 3)] * 3
    assert [row.agreement for row in (first, saved, lite)] == [1, 1, 1]
    assert first.cross_entropy == pytest.approx(lite.cross_entropy, rel=1e-4)
    assert first.size == (run / "model.keras").stat().st_size
    # The last model gets the images that the run's crop gives: nothing else is known of it.
    (note,) = comparison.notes
    assert note.startswith("Assumed classes in the order ant, bee, cat, dog: ")
    same = evaluation.predicted == other.predict_on_batch(images).argmax(1)
    assert last.agreement == pytest.approx(same.mean())
    assert last.agreement < 1
    row = evaluation.as_row()
    assert (row.top1, row.agreement) == (first.top1, None)
    assert len(score_table(comparison.rows).splitlines()) == 6


def test_models_of_the_same_name_are_called_by_their_paths(run, tmp_path):
    shutil.copy(run / "model.keras", tmp_path)
    paths = [run / "model.keras", tmp_path / "model.keras"]

    data = data_set(noise(4), np.arange(4))
    rows = compare(paths, data, latency_rounds=1).rows
    assert [row.model for row in rows] == [str(path) for path in paths]


def test_models_are_compared_on_the_images_of_the_first_run(run):
    told = []
    comparison = compare(
        [run, run / "model.tflite"],
        batch_size=16,
        latency_rounds=1,
        progress=lambda done, images: told.append((done, images)),
    )

    assert told == [(done, 72) for done in (16, 32, 36, 52, 68, 72)]
    assert comparison.note == "The 36 test images of data were scored."


@pytest.fixture
def other_run(run, tmp_path):
    """Returns a function that copies the run: one that has learned the run's validation images."""
    data = open_data_set(f"folder:{run / 'data'}", 0.5, 3)
    learned = [name for name, _ in data.training.files_and_classes()]
    swapped = with_validation(data, learned, "They were swapped.")

    def copied(**changes):
        other = shutil.copytree(run, tmp_path / "other", ignore=shutil.ignore_patterns("data"))
        record = json.loads((other / "run.json").read_text())
        record |= {"checksums": swapped.checksums(), **changes}
        (other / "run.json").write_text(json.dumps(record))
        return other, swapped

    return copied


@pytest.mark.parametrize("has_list", [True, False])
def test_images_that_another_run_has_learned_are_not_compared_on(run, other_run, has_list):
    other, images = other_run()
    sentence = r"^other: .* not those that the model was trained with"
    if has_list:
        write_image_list(other, images)
        sentence = r"^other was trained on 8 of the 8 validation images, such as train/"

    with pytest.raises(ValueError, match=sentence):
        compare([run, other], split="validation")


def test_images_that_another_run_held_out_are_compared_on(run, other_run):
    other, _ = other_run()
    write_image_list(other, open_data_set(f"folder:{run / 'data'}", 0.5, 3))

    notes = compare([run, other], split="validation", latency_rounds=1).notes
    assert any(note.startswith("other: The model was not trained on them.") for note in notes)


def test_moved_run_with_chosen_validation_images_is_scored_on_these(run, other_run):
    other, images = other_run(data="folder:/gone", data_source="folder:/gone")
    names = [name for name, _ in images.validation.files_and_classes()]
    record = json.loads((other / "run.json").read_text()) | {"validation_images": names}
    (other / "run.json").write_text(json.dumps(record))

    found = evaluate(other, f"folder:{run / 'data'}", "validation", latency_rounds=1)
    assert set(found.names) == set(names)
    assert "The model was not trained on them." in found.note


def test_comparison_names_a_model_that_was_trained_on_other_data(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    record |= {"data": "elpv", "data_source": "elpv", "checksums": {"training": "another"}}
    (other / "run.json").write_text(json.dumps(record))

    notes = compare([run, other], latency_rounds=1).notes
    assert "other: The model was trained on other data: elpv." in notes


def test_forms_are_scored_on_images_in_memory(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    images = np.arange(250, dtype=np.uint8).reshape(250, 1, 1, 1)
    labels = images[:, 0, 0, 0] % 4

    def right_for(share):
        def predict(images):
            values = images[:, 0, 0, 0].astype(int)
            return np.eye(5)[np.where(values < share * 250, values % 4, 4)]

        return predict

    forms = {"good": (tmp_path / "a", right_for(0.8)), "bad": (tmp_path, right_for(0.2))}
    good, bad = score_forms(forms, images, labels, latency_rounds=2)

    assert (good.form, good.model, good.top1, good.size) == ("good", "a", 0.8, 3)
    assert (bad.form, bad.top1, bad.agreement) == ("bad", 0.2, pytest.approx(0.4))


def test_a_run_on_a_table_of_labels_is_scored_by_its_table(run, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    lines = ["file,class,split"]
    for number, image in enumerate(noise(8, seed=1)):
        Image.fromarray(image).save(images / f"{number}.png")
        split = "train" if number < 4 else "test"
        lines.append(f"{number}.png,{CLASS_NAMES[number % 4]},{split}")
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(lines))
    copy = shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("data"))
    record = json.loads((run / "run.json").read_text())
    own = {"data": f"folder:{images}", "labels": str(table)}
    (copy / "run.json").write_text(json.dumps(record | own))

    own_test = ("4.png", "5.png", "6.png", "7.png")
    assert evaluate(copy, latency_rounds=1).names == own_test
    other = evaluate(run, f"folder:{images}", latency_rounds=1, labels=table)
    assert other.names == own_test
    with pytest.raises(ValueError, match="needs the folder of its images"):
        evaluate(run, labels=table)


def test_record_without_data_or_with_null_fields_is_no_other_data(run, tmp_path):
    record = json.loads((run / "run.json").read_text())
    for changes in ({"data": None, "data_source": None, "checksums": None}, {"recipe": None}):
        folder = tmp_path / str(len(changes))
        shutil.copytree(run, folder)
        (folder / "run.json").write_text(json.dumps(record | changes | {"versions": None}))
        evaluation = evaluate(
            folder, data_set(noise(8), np.arange(8) % 4), out=tmp_path / "out", latency_rounds=1
        )
        assert "trained on other data: None" not in evaluation.note
