import csv
import dataclasses
import json
import re
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from report_text import leave_out_pictures
from tiny_runs import RECIPE, image_folder

from training.commands import train as train_command
from training.data.broken import TooManyBrokenImages
from training.evaluate import evaluate
from training.optimization.optimizer import learning_rate_schedule
from training.run.callbacks import Diverged, LossGuard
from training.run.checkpoints import CheckpointFolder
from training.run.choosing import Choice
from training.run.continued_record import continued_record
from training.run.options import TrainOptions
from training.train import train

pytestmark = pytest.mark.usefixtures("models_of_two_layers", "png_files")


def changed(recipe=RECIPE, **groups):
    """Returns the recipe with changed values in its groups of options."""
    changes = {
        name: dataclasses.replace(getattr(recipe, name), **values)
        for name, values in groups.items()
    }
    return dataclasses.replace(recipe, **changes)


@pytest.fixture
def run(finished_run):
    return finished_run


def options(folder, out, **others):
    """Returns the options of a run without logs for TensorBoard that keeps its checkpoints."""
    return TrainOptions(f"folder:{folder}", out, log=(), **{"keep_checkpoints": True} | others)


def train_without_pictures(recipe, options):
    """Trains; the report has no pictures."""
    with pytest.MonkeyPatch.context() as patch:
        leave_out_pictures(patch)
        return train(recipe, options)


ONE_EPOCH = dataclasses.replace(changed(optimization={"warmup_epochs": 0}), epochs=1)


def test_run_leaves_model_labels_record_and_report(run):
    model = keras.saving.load_model(run / "model.keras", compile=False)
    record = json.loads((run / "run.json").read_text())

    assert model.output_shape == (None, 2)
    assert (run / "labels.txt").read_text() == "bright\ndark\n"
    assert record["command"] == "the command it was"
    assert record["recipe"]["epochs"] == 2
    assert record["versions"]["keras"] == keras.__version__
    report = (run / "report.md").read_text()
    assert "validation images" in report
    assert "the command it was" in report
    assert {"curves.png", "confusion.png"} <= {path.name for path in run.iterdir()}
    assert list((run / "tensorboard").rglob("events*"))
    assert not [path.name for path in run.iterdir() if "partial" in path.name]


def test_run_has_a_threshold_for_none_of_these_and_its_training_images(run):
    record = json.loads((run / "run.json").read_text())
    report = (run / "report.md").read_text()
    refusal, training = record["none_of_these"], record["images_per_class"]["training"]

    assert 0.5 <= refusal["threshold"] <= 1
    assert refusal["validation"]["images"] == record["images"]["validation"]
    assert refusal["validation"]["right_refused"] <= 0.05
    assert refusal["scored"] is None  # the validation images are those that were scored
    assert f"below the probability **{refusal['threshold']:.6f}**" in report
    assert "training images |" in report
    (row,) = [line for line in report.splitlines() if line.startswith("| bright")]
    assert row.split("|")[-2].strip() == str(training[0])
    assert record["scores"]["balanced_accuracy"] == pytest.approx(record["scores"]["top1"])


def test_run_of_before_near_duplicates_stayed_together_keeps_its_split(tmp_path):
    folder = image_folder(tmp_path / "images", 8)
    for number in range(4):
        file = folder / "dark" / f"{number:03}.png"
        file.write_bytes((folder / "dark" / "000.png").read_bytes())
    old = dataclasses.replace(ONE_EPOCH, group_duplicates=False)
    out = train_without_pictures(old, options(folder, tmp_path / "run"))
    record = json.loads((out / "run.json").read_text())
    del record["recipe"]["group_duplicates"]
    (out / "run.json").write_text(json.dumps(record))

    from training.evaluate import evaluate

    assert evaluate(out, latency_rounds=1).scores.images == 4
    assert train(ONE_EPOCH, options(folder, out)) == out


def test_metrics_have_a_row_for_every_epoch(run):
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))

    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [row["step"] for row in rows] == ["3", "6"]  # 30 training images
    for row in rows:
        assert 0 <= float(row["val_top1"]) <= 1
        assert float(row["loss"]) > 0
        assert float(row["images_per_second"]) > 0
    assert float(rows[-1]["learning_rate"]) < float(rows[0]["learning_rate"])


def test_model_has_the_averaged_weights(run):
    """The last epoch's score is that of the averaged weights, and the model's must equal it."""
    from training.evaluate import evaluate

    with open(run / "metrics.csv", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    scores = evaluate(run, latency_rounds=1).scores

    assert scores.cross_entropy == pytest.approx(float(last["val_cross_entropy"]), rel=1e-4)
    latest = CheckpointFolder(run / "checkpoints").read_latest().arrays
    weights = keras.saving.load_model(run / "model.keras", compile=False).get_weights()
    trained = [latest[name] for name in sorted(latest) if name.startswith("model/")]
    assert any(not np.array_equal(a, b) for a, b in zip(weights, trained, strict=False))


def test_finished_run_is_not_trained_again(run, folder, capsys):
    before = (run / "model.keras").stat().st_mtime_ns
    train(RECIPE, TrainOptions(f"folder:{folder}", run, seed=3))

    assert "is finished" in capsys.readouterr().out
    assert (run / "model.keras").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "spelling", ["{0}/", "{0}/../{1}", "./{1}", "{1}", "~/{1}", "{2}/link"], ids=range(6)
)
def test_the_same_folder_by_another_name_is_the_same_run(
    run, folder, tmp_path, monkeypatch, capsys, spelling
):
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    data = "folder:" + spelling.format(folder, folder.name, tmp_path)
    train(RECIPE, TrainOptions(data, run, seed=3))

    assert "is finished" in capsys.readouterr().out


def test_initial_weights_by_another_name_are_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("data", "seed", "split_seed", "class_names", "images", "checksums", "strategy")
    names += ("devices", "backend", "deterministic", "versions", "hardware")

    def record(weights):
        return dict.fromkeys(names) | {"recipe": {"model": {"initial_weights": weights}}}

    earlier = record("a.keras")
    for spelling in ("./a.keras", str(tmp_path / "a.keras")):
        assert continued_record(earlier, record(spelling), tmp_path) == earlier
    for other in ("b.keras", None):
        with pytest.raises(ValueError, match=r"initial_weights was a\.keras and is"):
            continued_record(earlier, record(other), tmp_path)


def test_another_folder_is_another_run(run, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")

    with pytest.raises(ValueError, match=r"data was folder:.* and is folder:.*copy"):
        train(RECIPE, TrainOptions(f"folder:{tmp_path / 'copy'}", run, seed=3))


@pytest.fixture
def moved(run, folder, tmp_path):
    """A finished run whose images are gone, and the place where they are now."""
    shutil.copytree(run, tmp_path / "run")
    write_record(tmp_path / "run", data="folder:gone", data_source=f"folder:{tmp_path / 'gone'}")
    shutil.copytree(folder, tmp_path / "here")
    return tmp_path / "run", tmp_path / "here"


def write_record(run, without=(), **values):
    """Changes run.json of a run."""
    record = json.loads((run / "run.json").read_text()) | values
    kept = {name: value for name, value in record.items() if name not in without}
    (run / "run.json").write_text(json.dumps(kept))


def unfinish(run):
    """Makes a run one that was killed while its report was written."""
    write_record(run, without=["finished"])
    (run / "model.keras").unlink()


@pytest.mark.slow
def test_run_is_resumed_where_its_images_were_moved_to(moved):
    run, place = moved
    unfinish(run)
    train_without_pictures(RECIPE, options(place, run, seed=3))

    record = json.loads((run / "run.json").read_text())
    assert record["data"] == record["data_source"] == f"folder:{place}"
    assert record["continued"][-1]["data"] == [f"folder:{place.parent / 'gone'}", record["data"]]
    changes = f"data {record['data']} (before: folder:{place.parent / 'gone'})"
    assert changes in (run / "report.md").read_text().replace("\\", "")
    note = evaluate(run, split="validation", latency_rounds=1).note
    assert "The model was not trained on them." in note


def test_other_contents_at_another_place_are_another_run(moved):
    run, place = moved
    unfinish(run)
    before = (run / "run.json").read_bytes()
    image = next(place.rglob("*.png"))
    image.write_bytes(image.read_bytes() + b"\0")

    with pytest.raises(ValueError, match="images have other contents than when it began"):
        train(RECIPE, options(place, run, seed=3))
    assert (run / "run.json").read_bytes() == before


IMAGES_ARE_GONE = (
    r"The images of this run were at .*gone, .* give their new place: --data folder:PATH"
)


def test_images_that_are_gone_are_given_a_new_place_to_evaluate(moved):
    run, place = moved
    with pytest.raises(FileNotFoundError, match=IMAGES_ARE_GONE):
        evaluate(run)
    assert evaluate(run, f"folder:{place}", latency_rounds=1).scores.images == 10


def test_images_of_a_relative_folder_are_found_from_elsewhere(moved):
    run, place = moved
    write_record(run, data="folder:here", data_source=f"folder:{place}")
    assert evaluate(run, latency_rounds=1).scores.images == 10


@pytest.mark.parametrize("option", ["--config", "--extend"])
def test_images_that_are_gone_are_given_a_new_place_to_train(moved, option):
    run, _ = moved
    with pytest.raises(FileNotFoundError, match=IMAGES_ARE_GONE):
        train_command.run([option, str(run), "--out", str(run.parent / "other")])


def test_run_keeps_what_was_understood_of_the_data(run):
    record = json.loads((run / "run.json").read_text())

    assert record["images_per_class"] == {"training": [15, 15], "validation": [5, 5]}
    assert record["data_source"].startswith("folder:/")


@pytest.mark.slow
@pytest.mark.parametrize("floatx", ["float16", "float64"])
def test_run_does_not_depend_on_the_floats_of_keras_settings(run, folder, tmp_path, floatx):
    before = keras.config.floatx()
    keras.config.set_floatx(floatx)
    try:
        train_without_pictures(RECIPE, options(folder, tmp_path / "run", seed=3))
        assert keras.config.floatx() == floatx
    finally:
        keras.config.set_floatx(before)

    timeless = {"images_per_second": None, "seconds": None}
    rows, expected = (
        [row | timeless for row in csv.DictReader(each.open(newline=""))]
        for each in (tmp_path / "run" / "metrics.csv", run / "metrics.csv")
    )
    assert rows == expected


@pytest.mark.parametrize("out", ["run", "bright/run", ".", ".."])
def test_output_inside_the_data_is_refused_before_anything_is_written(tmp_path, out):
    folder = image_folder(tmp_path / "images", 2)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(ValueError, match="--out must"):
        train(RECIPE, options(folder, folder / out))
    assert sorted(tmp_path.rglob("*")) == before


def test_other_settings_in_the_same_folder_are_refused(run, folder):
    other = changed(optimization={"learning_rate": 0.5})

    with pytest.raises(ValueError, match=r"learning_rate was 0.002 and is 0.5.*another folder"):
        train(other, TrainOptions(f"folder:{folder}", run, seed=3))
    with pytest.raises(ValueError, match=r"seed was 3 and is 1"):
        train(RECIPE, TrainOptions(f"folder:{folder}", run, seed=1))


def test_other_images_are_another_run(run, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "images")
    shutil.copytree(run, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["data"] = f"folder:{tmp_path / 'images'}"
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    next((tmp_path / "images").rglob("*.png")).unlink()

    with pytest.raises(ValueError, match=r"images\.\w+ was \d+ and is \d+"):
        train(RECIPE, TrainOptions(record["data"], tmp_path / "run", seed=3))


def test_equally_many_other_images_are_another_run(run, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "images")
    shutil.copytree(run, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["data"] = f"folder:{tmp_path / 'images'}"
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    train(RECIPE, TrainOptions(record["data"], tmp_path / "run", seed=3))  # the same, elsewhere
    for file, now in ((("dark", "000.png"), "bright"), (("bright", "001.png"), "dark")):
        (tmp_path / "images").joinpath(*file).rename(tmp_path / "images" / now / "moved.png")

    with pytest.raises(ValueError, match="the training images or their classes differ"):
        train(RECIPE, TrainOptions(record["data"], tmp_path / "run", seed=3))


def test_images_replaced_under_their_names_are_another_run(run, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "images")
    shutil.copytree(run, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    del record["finished"]
    record["data"] = f"folder:{tmp_path / 'images'}"
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    shutil.copyfile(folder / "dark" / "000.png", tmp_path / "images" / "bright" / "000.png")

    with pytest.raises(ValueError, match=r"holds a run of other images.*bright/000\.png"):
        train(RECIPE, TrainOptions(record["data"], tmp_path / "run", seed=3))


@pytest.fixture(scope="module")
def restarted(finished_run, folder, tmp_path_factory):
    """A run whose first start named missing initial weights; its recipe, and the right weights."""
    out = tmp_path_factory.mktemp("restarted")
    with pytest.raises(ValueError, match="there is no such file"):
        train(
            changed(ONE_EPOCH, model={"initial_weights": "none.keras"}),
            options(folder, out / "run"),
        )
    weights = out / "model.keras"
    shutil.copy(finished_run / "model.keras", weights)
    recipe = changed(ONE_EPOCH, model={"initial_weights": str(weights)})
    return train_without_pictures(recipe, options(folder, out / "run")), recipe, weights


@pytest.mark.slow
def test_failed_start_does_not_block_the_folder(restarted):
    run, _, _ = restarted
    assert (run / "model.keras").is_file()


@pytest.mark.slow
def test_initial_weights_are_needed_only_at_the_start(restarted, folder):
    run, recipe, weights = restarted
    weights.unlink()
    unfinish(run)

    train_without_pictures(recipe, options(folder, run))
    assert (run / "model.keras").is_file()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"batch_size": 0}, "`batch_size` must be an integer of at least 1"),
        ({"epochs": 0}, "`epochs` must be an integer of at least 1"),
        # Two epochs of three batches.
        (
            {"optimization": dataclasses.replace(RECIPE.optimization, accumulation_steps=7)},
            "accumulation_steps` must be at most 6, .* no weight would ever change. Received: 7",
        ),
        (
            {"optimization": dataclasses.replace(RECIPE.optimization, warmup_epochs=3)},
            "not fewer than `warmup_epochs`. Received: epochs=2, warmup_epochs=3",
        ),
    ],
    ids=["batch size", "epochs", "accumulation", "warm-up"],
)
def test_recipe_that_trains_nothing_is_refused(folder, tmp_path, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        train(dataclasses.replace(RECIPE, **changes), TrainOptions(f"folder:{folder}", tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_learning_rate_that_would_rise_at_its_end_is_refused(folder, tmp_path):
    recipe = changed(optimization={"learning_rate": 1e-7})
    with pytest.raises(ValueError, match=r"must be at most 1e-07, .* Received: 1e-06"):
        train(recipe, options(folder, tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "others", "sentence"),
    [
        (changed(optimization={"learning_rate": 0.0}), {}, "`optimization.learning_rate` must be"),
        (RECIPE, {"seed": -1}, "`seed` must be an integer from 0 to 2**32 - 1. Received: -1"),
        (RECIPE, {"split_seed": 2**32}, "`split_seed` must be an integer from 0 to 2**32 - 1."),
        (RECIPE, {"checkpoint_minutes": float("nan")}, "`checkpoint_minutes` must be at least 0."),
        (RECIPE, {"checkpoint_minutes": -1.0}, "`checkpoint_minutes` must be at least 0."),
    ],
)
def test_number_out_of_range_is_refused_before_the_data_is_read(tmp_path, recipe, others, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        train(recipe, options(tmp_path / "none", tmp_path / "run", **others))
    assert list(tmp_path.iterdir()) == []


def test_run_of_a_version_without_ranges_is_resumed(run, folder, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "run")
    record = json.loads((copy / "run.json").read_text())
    record["recipe"]["augmentation"]["rand_augment_magnitude"] = 15.0
    write_record(copy, recipe=record["recipe"])
    recipe = changed(augmentation={"rand_augment_magnitude": 15.0})
    train(recipe, options(folder, copy, seed=3))

    assert "is finished" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"`augmentation\.rand_augment_magnitude` must be"):
        train(changed(augmentation={"rand_augment_magnitude": 16.0}), options(folder, copy, seed=3))


def test_begun_run_is_resumed_with_a_schedule_that_is_refused_in_a_new_one(
    run, folder, tmp_path, monkeypatch
):
    resumed = []
    monkeypatch.setattr("training.train.Run.complete", lambda self, _: resumed.append(self.recipe))
    copy = shutil.copytree(run, tmp_path / "run")
    unfinish(copy)
    odd = {"final_learning_rate": 0.1, "accumulation_steps": 7}
    record = json.loads((copy / "run.json").read_text())
    record["recipe"]["optimization"] |= odd
    write_record(copy, recipe=record["recipe"])
    train(changed(optimization=odd), options(folder, copy, seed=3))

    assert [recipe.optimization.accumulation_steps for recipe in resumed] == [7]


def test_overfitting_is_not_divergence():
    guard = LossGuard(classes=2)
    guard.on_epoch_end(0, {"loss": 0.1, "val_cross_entropy": 5.0})

    for logs in ({"loss": 5.0}, {"loss": 0.1, "val_cross_entropy": float("nan")}):
        with pytest.raises(Diverged, match="has diverged"):
            guard.on_epoch_end(0, logs)


def test_run_of_a_version_with_fewer_settings_is_recognised(run, folder, capsys):
    record = run / "run.json"
    written = record.read_text()
    older = json.loads(written)
    del older["recipe"]["optimization"]["average_warmup"]
    record.write_text(json.dumps(older))
    try:
        train(RECIPE, TrainOptions(f"folder:{folder}", run, seed=3))
    finally:
        record.write_text(written)

    assert "is finished" in capsys.readouterr().out


def test_checkpoint_of_another_architecture_is_refused_and_kept(run, folder, tmp_path):
    wider = changed(model={"embed_dims": (32,)})
    shutil.copytree(run / "checkpoints", tmp_path / "run" / "checkpoints")
    record = json.loads((run / "run.json").read_text())
    del record["finished"]
    record["recipe"]["model"]["embed_dims"] = [32]
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    before = {path.name: path.read_bytes() for path in (tmp_path / "run/checkpoints").iterdir()}

    with pytest.raises(ValueError, match="belongs to another architecture"):
        train(wider, options(folder, tmp_path / "run", seed=3))
    after = {path.name: path.read_bytes() for path in (tmp_path / "run/checkpoints").iterdir()}
    assert after == before


@pytest.mark.parametrize(
    ("removed", "sentence"),
    [
        (["checkpoints", "model.keras"], r"but model\.keras was removed.*Restore it; or"),
        (["checkpoints", "report.md"], r"but report\.md was removed.*evaluate .* --out .* again"),
        (["run.json"], r"holds checkpoints, but no run\.json .*train anew: remove"),
    ],
    ids=["model", "report", "record"],
)
def test_half_removed_folder_says_what_to_do(run, folder, tmp_path, removed, sentence):
    copy = shutil.copytree(run, tmp_path / "run")
    for name in removed:
        shutil.rmtree(copy / name) if (copy / name).is_dir() else (copy / name).unlink()
    before = {path.name for path in copy.iterdir()}

    with pytest.raises(ValueError, match=sentence):
        train(RECIPE, TrainOptions(f"folder:{folder}", copy, seed=3))
    assert {path.name for path in copy.iterdir()} == before


def test_record_without_settings_is_damaged(run, folder, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "run.json").write_text("{}")

    with pytest.raises(ValueError, match=r"run\.json is damaged: it lacks recipe\. Restore"):
        train(RECIPE, TrainOptions(f"folder:{folder}", copy, seed=3))


def test_field_that_an_earlier_version_lacked_had_its_default(run, folder, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    record = json.loads((copy / "run.json").read_text())
    del record["recipe"]["patience"]
    (copy / "run.json").write_text(json.dumps(record))

    with pytest.raises(ValueError, match=r"recipe\.patience was None and is 2"):
        train(
            dataclasses.replace(RECIPE, patience=2), TrainOptions(f"folder:{folder}", copy, seed=3)
        )


# Epochs of one batch. The first has a learning rate of 0, so its checkpoint is good.
DIVERGING = dataclasses.replace(
    changed(optimization={"learning_rate": 1e38}), epochs=4, batch_size=30
)


@pytest.fixture(scope="module")
def diverged(folder, tmp_path_factory):
    """A run that diverged, and its error message."""
    out = tmp_path_factory.mktemp("diverged") / "run"
    with pytest.raises(Diverged) as error:
        train(DIVERGING, options(folder, out))
    return out, str(error.value)


def test_diverging_run_stops_with_the_last_good_checkpoint_kept(diverged):
    out, sentence = diverged

    assert sentence.startswith("Training has diverged")
    assert "--change-optimization resumes from the last good checkpoint" in sentence
    latest = CheckpointFolder(out / "checkpoints").read_latest()
    assert latest.progress["step"] == 1
    assert not (out / "model.keras").exists()


def test_diverged_run_resumes_with_a_smaller_learning_rate(diverged, folder, tmp_path):
    shutil.copytree(diverged[0], tmp_path / "run")
    same = options(folder, tmp_path / "run")
    changing = dataclasses.replace(same, change_optimization=True)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["hardware"] = "another computer"
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))

    smaller = changed(DIVERGING, optimization={"learning_rate": 1e-3})
    with pytest.raises(ValueError, match="may change, with --change-optimization"):
        train(smaller, same)
    with pytest.raises(ValueError, match="epochs was 4 and is 7"):
        train(dataclasses.replace(smaller, epochs=7), changing)
    run = train_without_pictures(smaller, changing)

    record = json.loads((run / "run.json").read_text())
    (news,) = record["continued"]
    assert news["optimization"] == {"learning_rate": [1e38, 1e-3]}
    assert news["hardware"] != "another computer"
    assert record["recipe"]["optimization"]["learning_rate"] == 1e-3
    assert "learning_rate 0.001 (before: 1e+38)" in (run / "report.md").read_text()
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    schedule = learning_rate_schedule(smaller, steps_per_epoch=1)
    rates = [float(row["learning_rate"]) for row in rows[1:]]
    assert rates == pytest.approx([float(schedule(step)) for step in (2, 3, 4)], abs=1e-6)


@pytest.mark.slow
def test_best_epoch_becomes_the_model(folder, tmp_path):
    # From the second epoch on, the learning rate destroys what the first has learned.
    recipe = dataclasses.replace(
        changed(optimization={"average_momentum": None}), select="best", epochs=3
    )
    run = train_without_pictures(recipe, options(folder, tmp_path / "run"))
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    best = max(rows, key=lambda row: (float(row["val_top1"]), -int(row["epoch"])))
    record = json.loads((run / "run.json").read_text())
    latest = CheckpointFolder(run / "checkpoints").read_latest().arrays
    weights = keras.saving.load_model(run / "model.keras", compile=False).get_weights()

    assert record["epoch"] == int(best["epoch"])
    kept = [latest[name] for name in sorted(latest) if name.startswith("best/")]
    for actual, expected in zip(weights, kept, strict=True):
        np.testing.assert_array_equal(actual, expected)


def write_images(folder):
    """Writes 200 images for training and 50 for validation."""
    for part, images in (("train", 100), ("val", 25)):
        image_folder(folder / part, images)


@pytest.mark.slow
def test_few_broken_files_are_listed_in_the_report(tmp_path, capsys):
    folder = tmp_path / "images"
    write_images(folder)
    broken = ["train/dark/070.png", "val/dark/019.png"]
    for name in broken:
        (folder / name).write_bytes(b"no image")
    recipe = dataclasses.replace(ONE_EPOCH, batch_size=50)
    run = train_without_pictures(recipe, options(folder, tmp_path / "run"))

    assert json.loads((run / "run.json").read_text())["broken_images"] == broken
    assert "".join(f"- {name}\n" for name in broken) in (run / "report.md").read_text()
    assert f"Not readable, and left out: {', '.join(broken)}.\n" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("part", "count"), [("train", 13), ("val", 10)])
def test_one_broken_file_in_twenty_stops_the_run(tmp_path, part, count):
    folder = tmp_path / "images"
    write_images(folder)
    for path in sorted((folder / part / "dark").iterdir())[:count]:
        path.write_bytes(b"no image")
    recipe = dataclasses.replace(ONE_EPOCH, batch_size=50)

    with pytest.raises(TooManyBrokenImages, match=r"of 250 images .* at most 3 may be broken"):
        train(recipe, options(folder, tmp_path / "run"))
    names = (tmp_path / "run" / "broken_images.txt").read_text().splitlines()
    assert len(names) > 3
    assert set(names) <= {f"{part}/dark/{number:03}.png" for number in range(count)}


def test_address_of_a_bucket_gives_a_clear_error(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ValueError, match="Mount the storage"):
        train(RECIPE, TrainOptions(f"folder:{folder}", Path("gs://bucket/run")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_model_that_does_not_fit_into_memory_gives_a_clear_error(folder, tmp_path):
    recipe = changed(model={"embed_dims": (2**40,)})  # the convolution's kernel has 119 TB

    with pytest.raises(
        MemoryError, match=r"8 images of 32x32 per step\. --batch-size 4 .*-steps 2 "
    ):
        train(recipe, options(folder, tmp_path / "run"))
    # Where the rate is measured first, after the first advice was followed.
    recipe = changed(recipe, optimization={"accumulation_steps": 2, "warmup_epochs": 0})
    with pytest.raises(MemoryError, match=r"--batch-size 4 --optimization.accumulation-steps 4 "):
        train(recipe, options(folder, tmp_path / "run"), choice=Choice(frozenset({"epochs"}), 1))


def test_fewer_images_than_a_batch_gives_a_clear_error_and_writes_nothing(folder, tmp_path):
    recipe = dataclasses.replace(RECIPE, batch_size=64)

    with pytest.raises(ValueError, match="batch_size=64 for 30 images"):
        train(recipe, TrainOptions(f"folder:{folder}", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"freeze": ("stage_9",)},
        {"epochs": 0},
        {"augmentation": dataclasses.replace(RECIPE.augmentation, library="keras_cv")},
    ],
    ids=["part", "schedule", "package"],
)
@pytest.mark.parametrize("earlier", [True, False])
def test_refused_start_leaves_the_folder_as_it_was(folder, tmp_path, monkeypatch, changes, earlier):
    monkeypatch.setitem(sys.modules, "keras_cv", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "training.augmentation.keras_cv_backend", raising=False)
    out = tmp_path / "runs" / "run"
    if earlier:  # a start that was killed before its first checkpoint
        out.mkdir(parents=True)
        (out / "run.json").write_text('{"recipe": {}}')
        (out / "images.json.gz").write_bytes(b"of earlier images")
        (out / "notes.txt").write_text("of the user")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}

    with pytest.raises((ValueError, ImportError), match=r"freeze|epochs|keras-cv"):
        train(dataclasses.replace(RECIPE, **changes), options(folder, out))
    after = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    assert after == before


def test_unwritable_folder_gives_a_clear_error(folder, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match=r"run, cannot be written to: .* Choose another one"):
        train(RECIPE, TrainOptions(f"folder:{folder}", tmp_path / "file" / "run"))
