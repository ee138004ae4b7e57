"""The files in deploy/serving are consistent with each other and with the exports."""

import inspect
import re
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from keras_cabvit.export import to_saved_model
from keras_cabvit.serving import classify_over_grpc, classify_over_rest

FOLDER = Path(__file__).parents[2] / "deploy" / "serving"


def test_models_config_can_be_read_by_tf_serving():
    text = (FOLDER / "config" / "models.config").read_text()
    (model,) = text_format.Parse(
        text, model_server_config_pb2.ModelServerConfig()
    ).model_config_list.config

    assert model.model_platform == "tensorflow"
    assert f"./models:{model.base_path}:ro" in (FOLDER / "docker-compose.yml").read_text()
    for classify in (classify_over_rest, classify_over_grpc):
        assert inspect.signature(classify).parameters["model"].default == model.name


def test_allowed_batch_sizes_are_the_warmed_up_ones():
    text = (FOLDER / "config" / "batching.config").read_text()
    allowed = tuple(map(int, re.findall(r"allowed_batch_sizes: (\d+)", text)))

    assert allowed == inspect.signature(to_saved_model).parameters["batch_sizes"].default
    (largest,) = map(int, re.findall(r"max_batch_size { value: (\d+) }", text))
    assert largest == allowed[-1]
    for classify in (classify_over_rest, classify_over_grpc):
        assert inspect.signature(classify).parameters["batch_size"].default == largest


def test_every_file_named_in_the_compose_file_exists():
    text = (FOLDER / "docker-compose.yml").read_text()
    named = re.findall(r"/config/([\w.]+)", text)

    assert sorted(named) == sorted(path.name for path in (FOLDER / "config").iterdir())
