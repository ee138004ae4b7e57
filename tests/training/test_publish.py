import json
import re
import shutil
import zipfile
from io import BytesIO

import h5py
import keras
import numpy as np
import pytest
import tiny_models

from keras_cabvit.runtimes import open_model
from training.__main__ import main
from training.evaluate import evaluate
from training.publish import publish
from training.run.half_size_file import save_half_size

pytestmark = pytest.mark.usefixtures("png_files")


@pytest.fixture(scope="module")
def published(finished_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "published"
    publish(finished_run, folder, "Dark and bright noise.")
    return folder


def test_published_model_is_half_the_size_and_gives_the_same(finished_run, published):
    whole, half = (
        keras.saving.load_model(folder / "model.keras", compile=False)
        for folder in (finished_run, published)
    )
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype("float32")

    assert {weight.dtype for weight in half.weights} == {"float32"}
    for halved, weight in zip(half.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(halved, weight, rtol=1e-3, atol=1e-6)
        if weight.ndim < 2:
            np.testing.assert_array_equal(halved, weight)
    np.testing.assert_allclose(half.predict(images), whole.predict(images), atol=2e-3)


def test_model_alone_states_its_names_and_crop(finished_run, published, tmp_path):
    for folder in (finished_run, published):
        alone = open_model(shutil.copy(folder / "model.keras", tmp_path))
        assert alone.class_names == ("bright", "dark")
        assert alone.evaluation_crop == open_model(folder).evaluation_crop == 1


def test_kernels_are_stored_in_float16(tmp_path):
    model = tiny_models.filled(tiny_models.plain(depth=2))
    save_half_size(model, tmp_path / "model.keras")

    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        content = archive.read("model.weights.h5")
    stored = []
    with h5py.File(BytesIO(content)) as file:
        file.visititems(lambda _, item: stored.append(item) if hasattr(item, "dtype") else None)
        dtypes = {(item.ndim > 1, item.dtype.name) for item in stored}
        size = sum(item.size for item in stored)
    assert dtypes == {(True, "float16"), (False, "float32")}
    assert size == model.count_params()
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for halved, weight in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert halved.dtype == np.float32
        np.testing.assert_allclose(halved, weight, rtol=1e-3, atol=1e-6)


def test_scores_are_those_of_evaluate(published):
    scores = json.loads((published / "scores.json").read_text())
    again = evaluate(published).scores

    assert scores["top1"] == again.top1
    assert scores["cross_entropy"] == pytest.approx(again.cross_entropy, rel=1e-6)


def test_card_states_origin_and_scores_of_the_model(published):
    card = (published / "README.md").read_text()
    scores = json.loads((published / "scores.json").read_text())

    for text in (
        f"{100 * scores['top1']:.1f} % top-1",
        "the command it was",
        "Dark and bright noise.",
        "bright, dark",
        f"keras {keras.__version__}",
        "resized as a whole",
    ):
        assert text in card
    facts = dict(
        line.strip("| ").split("|", 1) for line in card.splitlines() if line.startswith("| ")
    )
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    assert facts["seed"] == "3"
    assert re.match(r"(1 core|\d+ cores), ", facts["hardware"])
    assert facts["training time"].endswith(" s")
    assert (published / "report.md").is_file()


def test_code_of_the_card_runs(published, monkeypatch):
    card = (published / "README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(published.parent)
    names = {"images": np.zeros((2, 32, 32, 3), "float32")}

    exec(code, names)
    np.testing.assert_allclose(names["probabilities"].sum(axis=1), 1, rtol=1e-5)


def test_a_weight_too_large_gives_a_clear_error_and_leaves_nothing(tmp_path):
    model = tiny_models.plain(depth=1)
    kernel = next(weight for weight in model.weights if len(weight.shape) == 4)
    kernel.assign(np.full(kernel.shape, 7e4, "float32"))

    with pytest.raises(ValueError, match=r"must be at most 65,504 .* The largest is 70000"):
        save_half_size(model, tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


def test_unfinished_run_is_told_how_to_resume(finished_run, tmp_path):
    record = json.loads((finished_run / "run.json").read_text())
    del record["finished"]
    (tmp_path / "run.json").write_text(json.dumps(record))

    with pytest.raises(ValueError, match=r"has not finished. .* resumes it: the command it"):
        publish(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_run_whose_images_were_moved_is_published_with_their_new_place(finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    images = record["data"].removeprefix("folder:")
    gone = f"folder:{tmp_path / 'gone'}"
    (run / "run.json").write_text(json.dumps(record | {"data": gone, "data_source": gone}))

    with pytest.raises(FileNotFoundError, match="give their new place: --data folder:PATH"):
        publish(run, tmp_path / "published")
    assert not (tmp_path / "published").exists()
    main(["publish", str(run), "--out", str(tmp_path / "published"), "--data", f"folder:{images}"])
    assert (tmp_path / "published" / "README.md").is_file()


def test_missing_run_gives_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no run in"):
        publish(tmp_path, tmp_path / "out")


def test_folder_of_something_else_is_not_replaced(finished_run, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(ValueError, match="was not written by this command"):
        publish(finished_run, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_run_without_labels_and_metrics_is_published_without_curves(finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    for name in ("labels.txt", "metrics.csv"):
        (run / name).unlink()
    publish(run, tmp_path / "published")

    labels = (tmp_path / "published" / "labels.txt").read_text()
    assert labels == (finished_run / "labels.txt").read_text()
    assert not (tmp_path / "published" / "curves.png").exists()
