import numpy as np
import pytest
from PIL import Image
from report_text import leave_out_pictures
from small_disk import files_of_at_most

from keras_cabvit.data.folders.written_folders import mark_of_output
from keras_cabvit.figures.fonts import undrawn_characters
from training.evaluation.metrics import score_predictions
from training.evaluation.predictions import Mistake
from training.evaluation.refusal import Refusal, RefusalCost
from training.evaluation.result import Evaluation
from training.evaluation.suspects import Suspect
from training.report.page import write_report

RUN = {
    "recipe": {
        "model": {"variant": "CabViTH_T", "image_size": [64, 64], "depths": None},
        "epochs": 20,
    },
    "data": "folder:/data/animals",
    "seed": 7,
    "strategy": "mirrored",
    "backend": "jax",
    "command": "python -m training train --data folder:/data/animals",
    "versions": {"keras": "3.15.1", "jax": "0.10.2"},
    "hardware": "2 cores, x86_64, Linux",
    "validation_note": "The validation images were drawn from the training images.",
    "test_note": "They were scored once, after every choice had been made.",
    "seconds": 7380,
    "epoch": 19,
}
HISTORY = [
    {"epoch": epoch, "loss": 2 / epoch, "top1": 0.2 * epoch, "val_top1": 0.2 * epoch + 0.05}
    | {"val_cross_entropy": 1.5 / epoch, "learning_rate": 1e-3 / epoch}
    for epoch in (1, 2, 3)
]
PICTURES = {"curves.png", "confusion.png", "calibration.png", "mistakes.png"}


def evaluation(classes=6, images=200, right=False, **changes):
    """Returns the evaluation of a model that classifies most images correctly, or all."""
    rng = np.random.default_rng(0)
    labels = np.arange(images) % classes
    logits = rng.normal(size=(images, classes)) + (50 if right else 2) * np.eye(classes)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    mistakes = [
        Mistake(
            f"test/{number}.png",
            rng.integers(0, 256, (20, 30, 3), dtype=np.uint8),
            int(labels[number]),
            int(predicted[number]),
            float(probabilities[number].max()),
        )
        for number in np.flatnonzero(predicted != labels)[:24]
    ]
    values = {
        "name": "animals",
        "form": "Keras",
        "path": "runs/animals/model.keras",
        "data": "animals",
        "note": f"The {images} test images of animals were scored.",
        "are_test_of_run": True,
        "notes": ("One folder was left aside.",),
        "class_names": tuple(f"class {number}" for number in range(classes)),
        "scores": score_predictions(probabilities, labels),
        "names": tuple(f"test/{number}.png" for number in range(images)),
        "labels": labels,
        "predicted": predicted,
        "probabilities": probabilities,
        "mistakes": tuple(mistakes),
        "broken_names": (),
        "latency": 0.0123,
        "size": 2_960_000,
        "image_size": (20, 30),
        "crop": 0.875,
        "seconds": 3.0,
    }
    return Evaluation(**values | changes)


@pytest.fixture
def text_alone(monkeypatch):
    """Leaves out the pictures."""
    leave_out_pictures(monkeypatch)


@pytest.mark.usefixtures("text_alone")
def test_report_has_scores_origin_and_recipe(tmp_path):
    scored = evaluation()
    path = write_report(tmp_path, scored, HISTORY, RUN, ["train/a.jpg", "train/b.jpg"])
    text = path.read_text(encoding="utf-8")

    scores = scored.scores
    for expected in (
        f"# animals: {100 * scores.top1:.1f} % top-1",
        f"{100 * scores.top1:.1f} % ± {100 * scores.top1_standard_error:.1f} %",
        f"{100 * scores.top5:.1f} %",
        f"{scores.cross_entropy:.4f}",
        f"{100 * scores.calibration_error:.2f} %",
        "The 200 test images of animals were scored. They were scored once, after every choice",
        "One folder was left aside.",
        "2.96 MB",
        "12.30 ms",
        "The best top-1 on the validation images was 65.00 %, after epoch 3.",
        "The weights are those after epoch 19.",
        "Images for training and validation that cannot be read and were left out, 2 in all:",
        "- train/b.jpg",
        "python -m training train --data folder:/data/animals",
        "3.15.1",
        "2 cores, x86_64, Linux",
        "2 h 3 min",
        "mirrored",
        "class 5",
        "test/",
    ):
        assert expected in text
    rows = {tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in text.splitlines()}
    assert ("seed", "7") in rows
    assert ("model.variant", "CabViTH_T") in rows
    assert ("model.image_size", "64, 64") in rows
    assert ("epochs", "20") in rows


def rows_of(text):
    """Returns the rows of all tables as tuples of strings."""
    return {tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in text.splitlines()}


@pytest.mark.usefixtures("text_alone")
@pytest.mark.parametrize(
    ("right", "images", "verdict"),
    [
        (4, 15, "that may be right, as far as so few images tell."),
        (267, 1000, "it is overconfident."),
        (345, 1000, "that is about right."),
        (420, 1000, "it is underconfident."),
    ],
)
def test_few_images_do_not_make_a_model_overconfident(tmp_path, right, images, verdict):
    answers = np.tile([0.35, 0.33, 0.32], (images, 1))
    labels = (np.arange(images) >= right).astype(int)
    scored = evaluation(classes=3, scores=score_predictions(answers, labels))
    text = write_report(tmp_path, scored).read_text(encoding="utf-8")

    assert verdict in text
    chance = 100 * scored.scores.calibration.error_by_chance
    assert f"would be about {chance:.1f} % with {images:,} images." in text


@pytest.mark.usefixtures("text_alone")
def test_few_images_without_a_mistake_do_not_make_a_model_underconfident(tmp_path):
    for count, verdict in ((20, "that may be right"), (500, "it is underconfident")):
        answers = np.tile([0.97, 0.02, 0.01], (count, 1))
        scores = score_predictions(answers, np.zeros(count, int))
        text = write_report(tmp_path / str(count), evaluation(classes=3, scores=scores))
        assert verdict in text.read_text(encoding="utf-8")


@pytest.mark.usefixtures("text_alone")
def test_report_of_no_mistake_says_which_top1_is_compatible(tmp_path):
    all_right = write_report(tmp_path / "a", evaluation(images=20, right=True))
    most_right = write_report(tmp_path / "b", evaluation(images=20))

    # 0.861 ** 20 is 0.05.
    assert "any top-1 above 86.1 % is compatible" in all_right.read_text(encoding="utf-8")
    assert "is compatible" not in most_right.read_text(encoding="utf-8")


@pytest.mark.usefixtures("text_alone")
def test_report_compares_with_the_majority_and_gives_every_class_the_same_weight(tmp_path):
    labels = np.repeat([0, 1], [150, 50])
    answers = np.tile([0.8, 0.2], (200, 1))
    scored = evaluation(classes=2, right=True, scores=score_predictions(answers, labels))
    rows = rows_of(write_report(tmp_path, scored).read_text(encoding="utf-8"))

    assert ("top-1", "75.0 % ± 3.1 %") in rows
    assert ("always the most frequent class", "75.0 %") in rows
    assert ("balanced accuracy (macro recall)", "50.0 % ± 0.0 %") in rows
    assert ("macro precision", "37.5 %") in rows
    assert ("macro F1", "42.9 %") in rows


@pytest.mark.usefixtures("text_alone")
def test_table_of_classes_has_the_training_images(tmp_path):
    scored = evaluation(classes=3, right=True, images=30, training_counts=(1200, 80, 3))
    rows = rows_of(write_report(tmp_path, scored).read_text(encoding="utf-8"))

    assert ("class", "precision", "recall", "F1", "images", "training images") in rows
    assert ("class 0", "100.0 %", "100.0 %", "100.0 %", "10", "1,200") in rows
    assert ("class 2", "100.0 %", "100.0 %", "100.0 %", "10", "3") in rows


def test_labels_to_look_at_first_are_shown_and_listed(tmp_path):
    image = np.zeros((20, 30, 3), "uint8")
    suspects = tuple(
        Suspect(
            f"test/{number}.png", 0, 1, 0.9 - number / 100, 0.05, image if number < 24 else None
        )
        for number in range(30)
    )
    text = write_report(tmp_path, evaluation(suspects=suspects)).read_text(encoding="utf-8")

    assert "For 30 images the model's answer is another class" in text
    assert "The first 24 are shown." in text
    assert ("test/23.png", "class 0", "class 1", "5.0 %", "67.0 %") in rows_of(text)
    section = text[text.index("## Labels to look at first") : text.index("## Broken images")]
    assert not {"wrong", "mistake", "mislabel"} & set(section.split())
    table = (tmp_path / "labels_to_check.csv").read_text(encoding="utf-8").splitlines()
    assert table[0] == "image,class,predicted,probability,probability_of_class"
    assert table[1] == "test/0.png,class 0,class 1,0.9000,0.0500"
    assert len(table) == 31
    with Image.open(tmp_path / "labels_to_check.png") as picture:
        picture.load()


def test_report_and_its_pictures_alone_are_known_as_output(tmp_path):
    suspect = Suspect("a.png", 0, 1, 0.9, 0.05, np.zeros((20, 30, 3), "uint8"))
    report = write_report(tmp_path, evaluation(suspects=(suspect,)))

    assert mark_of_output(tmp_path) is not None
    report.unlink()
    for table in tmp_path.glob("*.csv"):
        table.unlink()
    assert len(list(tmp_path.glob("*.png"))) > 3
    assert mark_of_output(tmp_path) is not None


def test_report_without_suspects_removes_those_of_an_earlier_one(tmp_path):
    suspect = Suspect("a.png", 0, 1, 0.9, 0.05, np.zeros((20, 30, 3), "uint8"))
    write_report(tmp_path, evaluation(suspects=(suspect,)))
    text = write_report(tmp_path, evaluation(right=True)).read_text(encoding="utf-8")

    assert "contradicts no label" in text
    assert not list(tmp_path.glob("labels_to_check.*"))
    assert not (tmp_path / "mistakes.png").exists()


@pytest.mark.usefixtures("text_alone")
def test_threshold_for_none_of_these_is_given_with_its_cost(tmp_path):
    validation = RefusalCost(100, 0.08, 0.05, 0.3, 0.91)
    refusal = Refusal(0.432187, 0.95, validation, RefusalCost(200, 0.1, 0.06, None, None))
    text = write_report(tmp_path, evaluation(refusal=refusal)).read_text(encoding="utf-8")

    assert "below the probability **0.432187**" in text
    assert "at least 95 % of the correctly classified validation images" in text
    assert ("validation images", "100", "8.0 %", "5.0 %", "30.0 %", "91.0 %") in rows_of(text)
    assert ("images scored here", "200", "10.0 %", "6.0 %", "-", "-") in rows_of(text)


def test_every_picture_of_the_page_is_there_and_opens(tmp_path):
    text = write_report(tmp_path, evaluation(), HISTORY, RUN).read_text(encoding="utf-8")

    assert {entry.name for entry in tmp_path.iterdir()} == PICTURES | {"report.md"}
    for name in PICTURES:
        assert f"]({name})" in text
        with Image.open(tmp_path / name) as picture:
            picture.load()
            assert all(300 < side < 3000 for side in picture.size)


def test_report_without_history_and_run_has_only_the_scores(tmp_path):
    text = write_report(tmp_path, evaluation()).read_text(encoding="utf-8")

    assert {entry.name for entry in tmp_path.iterdir()} == (PICTURES | {"report.md"}) - {
        "curves.png"
    }
    assert "curves.png" not in text
    assert "Recipe" not in text


def test_model_without_mistakes_has_none_drawn(tmp_path):
    text = write_report(tmp_path, evaluation(right=True)).read_text(encoding="utf-8")

    assert "No image was misclassified." in text
    assert not (tmp_path / "mistakes.png").exists()


@pytest.mark.parametrize("classes", [2, 300])
def test_few_and_many_classes(tmp_path, classes):
    scored = evaluation(classes, images=900)
    text = write_report(tmp_path, scored).read_text(encoding="utf-8")

    top5 = [line for line in text.splitlines() if line.startswith("| top-5")]
    assert len(top5) == (classes > 5)
    assert f"| class {classes - 1} " in text
    assert ("<summary>All 300 classes</summary>" in text) == (classes == 300)
    with Image.open(tmp_path / "confusion.png") as picture:
        assert max(picture.size) < 2000


def test_names_are_shown_as_they_are(tmp_path):
    names = ("a|b", "*bold*", "<b>", "$x$", "`code`", "中文\n")
    text = write_report(
        tmp_path, evaluation(class_names=names, broken_names=("test/x|y*.jpg",))
    ).read_text(encoding="utf-8")

    for escaped in (r"| a\|b ", r"| \*bold\* ", r"| \<b\> ", r"| \$x\$ ", r"| \`code\` "):
        assert escaped in text
    assert "中文" in text
    undrawn = undrawn_characters(names)
    assert text.count(f"No installed font has the characters {' '.join(undrawn)}") == bool(undrawn)
    assert r"- test/x\|y\*.jpg" in text


@pytest.mark.usefixtures("text_alone")
def test_many_broken_images_are_counted(tmp_path):
    names = tuple(f"train/{number}.jpg" for number in range(70))
    text = write_report(tmp_path, evaluation(), run={"broken_images": names}).read_text()

    assert (
        "Images for training and validation that cannot be read and were left out, 70 in all:"
        in text
    )
    assert "- train/49.jpg" in text
    assert "- train/50.jpg" not in text
    assert "and 20 more." in text


def test_full_disk_leaves_the_earlier_report_or_nothing(tmp_path):
    earlier, new = tmp_path / "earlier", tmp_path / "new"
    write_report(earlier, evaluation(), HISTORY, RUN)
    before = {entry.name: entry.read_bytes() for entry in earlier.iterdir()}
    for folder in (earlier, new):
        with files_of_at_most(20_000), pytest.raises(OSError, match="disk") as raised:
            write_report(folder, evaluation(classes=4), HISTORY, RUN)
        assert str(raised.value) == (
            f"The report could not be written to {folder}: The disk is full, or the limit on the "
            "size of files is reached. An earlier one there is unchanged."
        )

    assert {entry.name: entry.read_bytes() for entry in earlier.iterdir()} == before
    assert not new.exists()


def test_folder_that_cannot_be_created_gives_a_clear_error(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="The report could not be written to"):
        write_report(tmp_path / "file" / "report", evaluation())
