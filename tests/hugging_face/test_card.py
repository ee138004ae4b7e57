"""The card's metadata, as the Hub's own library reads it."""

import huggingface_hub
import pytest
import tiny_models
from written_run import write_run

from keras_cabvit.hugging_face import write_folder
from keras_cabvit.hugging_face.data_set import data_set_name


@pytest.fixture(scope="module")
def card(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("card") / "folder"
    write_folder(run, folder, "ann/clothes", license="apache-2.0")
    return huggingface_hub.ModelCard.load(folder / "README.md")


def test_metadata_name_library_task_and_licence(card):
    data = card.data
    assert (data.library_name, data.pipeline_tag) == ("keras", "image-classification")
    assert data.license == "apache-2.0"
    assert "cabvit" in data.tags
    assert data.metrics == ["accuracy", "f1"]
    assert data.datasets is None


def test_metadata_has_the_scores_of_the_run(card):
    results = card.data.eval_results
    assert card.data.model_name == "clothes"
    assert [(each.metric_name, each.metric_value) for each in results] == [
        ("top-1", 0.925),
        ("macro F1", 0.9),
    ]
    assert {(each.dataset_type, each.dataset_split) for each in results} == {
        ("imagefolder", "test")
    }


def test_text_has_scores_classes_and_the_code_that_loads_the_model(card):
    assert "On 40 test images of a folder of images" in card.text
    assert "| top-1 | 92.50 % |" in card.text
    assert 'load_model("hf://ann/clothes")' in card.text
    assert "(count, 64, 64, 3)" in card.text
    assert "the centre, 75.0% of a side" in card.text
    for label in tiny_models.LABELS:
        assert f"\n    {label}\n" in card.text
    assert "![Confusion matrix](confusion.png)" in card.text
    assert "mistakes.png" not in card.text


def test_published_scores_come_before_those_of_the_run(tmp_path):
    run = write_run(tmp_path / "run", tiny_models.pattern_classifier())
    (run / "scores.json").write_text('{"images": 10, "top1": 0.5, "top5": null}')
    write_folder(run, tmp_path / "folder", "ann/clothes")
    (result,) = huggingface_hub.ModelCard.load(tmp_path / "folder" / "README.md").data.eval_results
    assert result.metric_value == 0.5


def test_terms_of_the_initial_weights_are_in_the_card(tmp_path):
    recipe = {"model": {"initial_weights": "tiny_imagenet"}, "evaluation_crop": 1.0}
    run = write_run(tmp_path / "run", tiny_models.pattern_classifier(), recipe=recipe)
    write_folder(run, tmp_path / "folder", "ann/clothes")
    text = (tmp_path / "folder" / "README.md").read_text()
    assert "started from the weights `tiny_imagenet`" in text
    assert "for non-commercial research only" in text


@pytest.mark.parametrize(
    ("data", "dataset", "name"),
    [
        ("fashion_mnist:10000", None, ("zalando-datasets/fashion_mnist", True)),
        ("tfds:imagenet2012:5.1.0", None, ("ILSVRC/imagenet-1k", True)),
        ("tfds:imagenet2012[:50%]", None, ("ILSVRC/imagenet-1k", True)),
        ("tfds:cifar10", None, ("cifar10", False)),
        ("tfds:cifar10[1000:5000]", None, ("cifar10", False)),
        ("tfds:glue/cola:1.*.*[:50%]", None, ("glue/cola", False)),
        ("tfds:/data/secret/cifar10", None, ("unknown", False)),
        ("folder:/home/ann/photographs", None, ("imagefolder", False)),
        ("folder:/home/ann/photographs", "ann/clothes", ("ann/clothes", True)),
        (None, None, ("unknown", False)),
    ],
)
def test_data_set_has_its_name_on_the_hub_and_never_a_path(data, dataset, name):
    found = data_set_name(data, dataset)
    assert (found.kind, found.on_the_hub) == name
