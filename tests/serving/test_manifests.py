"""The files in deploy/ follow the published schemas and agree with each other.

Docker, Kubernetes, KServe and Triton themselves do not run here.
"""

import contextlib
import copy
import json
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
    text_format,
)

DEPLOY = Path(__file__).parents[2] / "deploy"
SCHEMAS = Path(__file__).parent / "schemas"
KUBERNETES_VERSION = "1.34"
# Their keys are free.
FREE = {"annotations", "data", "environment", "labels", "limits", "matchLabels", "requests"}
METADATA = "/v1/models/cabvit/metadata"


def documents(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def by_schema(name):
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    return lambda document: jsonschema.validate(document, schema)


def by_kubernetes(document):
    kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)


CHECKED = [
    ("serving/docker-compose.yml", by_schema("compose.json")),
    ("serving/docker-compose.gpu.yml", by_schema("compose.json")),
    ("kubernetes/cabvit.yaml", by_kubernetes),
    ("kserve/inference-service.yaml", by_schema("kserve.json")),
]


def named_fields(node, path=()):
    """Yields the path of every field whose name the schema fixes."""
    if isinstance(node, dict):
        for name, value in node.items():
            free = FREE if "matchLabels" in node else FREE | {"selector", "services"}
            if not path or path[-1] not in free:
                yield (*path, name)
            yield from named_fields(value, (*path, name))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from named_fields(value, (*path, index))


def misspelt(document, path):
    document = copy.deepcopy(document)
    *parents, name = path
    node = document
    for step in parents:
        node = node[step]
    node[f"{name}s"] = node.pop(name)
    return document


@pytest.mark.parametrize(("name", "validate"), CHECKED, ids=[name for name, _ in CHECKED])
def test_manifest_follows_its_schema_and_a_misspelt_field_does_not(name, validate):
    for document in documents(name):
        validate(document)
        fields = [path for path in named_fields(document) if path[0] != "metadata"]
        assert fields
        for path in fields:
            if path in (("apiVersion",), ("kind",)):
                continue  # they choose the schema
            with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
                validate(misspelt(document, path))


@pytest.fixture(scope="module")
def triton_config():
    """The class of a model's configuration, by Triton's own definition."""
    schema = json.loads((SCHEMAS / "triton.json").read_text(encoding="utf-8"))
    file = json_format.ParseDict(
        schema, descriptor_pb2.FileDescriptorProto(), ignore_unknown_fields=True
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("cabvit", ["image_bytes"], ["labels", "scores", "status"]),
        ("cabvit_pixels", ["image"], ["probabilities"]),  # the names in an .onnx file
    ],
)
def test_triton_reads_a_configuration_and_refuses_a_misspelt_field(
    name, inputs, outputs, triton_config
):
    text = (DEPLOY / "triton" / "models" / name / "config.pbtxt").read_text(encoding="utf-8")
    config = text_format.Parse(text, triton_config())
    assert config.name == name
    assert [each.name for each in config.input] == inputs
    assert [each.name for each in config.output] == outputs

    fields = list(re.finditer(r"^ *(\w+)(?=:| [\[{])", text, re.MULTILINE))
    assert len(fields) > 10
    for field in fields:
        misspelt_text = f"{text[: field.end()]}s{text[field.end() :]}"
        with pytest.raises(text_format.ParseError):
            text_format.Parse(misspelt_text, triton_config())


def test_cluster_has_the_configuration_of_the_compose_file():
    config, *_ = documents("kubernetes/cabvit.yaml")
    files = {
        path.name: path.read_text(encoding="utf-8")
        for path in (DEPLOY / "serving" / "config").iterdir()
    }
    assert config["data"] == files


def test_every_form_runs_the_same_server_and_waits_for_the_model():
    (compose,) = documents("serving/docker-compose.yml")
    (gpu,) = documents("serving/docker-compose.gpu.yml")
    config, claim, deployment, service = documents("kubernetes/cabvit.yaml")
    (inference,) = documents("kserve/inference-service.yaml")
    composed = compose["services"]["cabvit"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    model = inference["spec"]["predictor"]["model"]

    assert container["image"] == composed["image"]
    assert container["image"].endswith(f":{model['runtimeVersion']}")
    assert gpu["services"]["cabvit"]["image"] == f"{composed['image']}-gpu"
    assert container["args"] == composed["command"]
    for probe in (container["startupProbe"], container["readinessProbe"], model["readinessProbe"]):
        assert probe["httpGet"]["path"] == METADATA
    assert METADATA in composed["healthcheck"]["test"][-1]

    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"]
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert model["storageUri"] == f"pvc://{claim['metadata']['name']}"
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"] == labels
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == ports
    published = {int(port.rpartition(":")[2]) for port in composed["ports"]}
    assert published == set(ports.values())


def test_server_is_not_root_and_cannot_write():
    (compose,) = documents("serving/docker-compose.yml")
    composed = compose["services"]["cabvit"]
    pod = documents("kubernetes/cabvit.yaml")[2]["spec"]["template"]["spec"]
    model = documents("kserve/inference-service.yaml")[0]["spec"]["predictor"]["model"]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", composed["user"])
    assert composed["read_only"] is True
    assert all(volume.endswith(":ro") for volume in composed["volumes"])
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in (pod["containers"][0], model):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False


@contextlib.contextmanager
def server_of_metadata(status):
    """Runs a server whose model is loaded if `status` is 200; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(status if self.path == METADATA else 404)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (404, False), (500, False)])
def test_health_check_succeeds_once_the_model_is_loaded(status, healthy):
    (compose,) = documents("serving/docker-compose.yml")
    kind, *command = compose["services"]["cabvit"]["healthcheck"]["test"]
    assert kind == "CMD"
    with server_of_metadata(status) as port:
        # Compose replaces $$ by $ and nothing else here.
        command = [word.replace("8501", str(port)) for word in command]
        process = subprocess.run(command, capture_output=True, timeout=20)

    assert (process.returncode == 0) == healthy
