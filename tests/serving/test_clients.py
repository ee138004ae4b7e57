import io
import json
import signal
import socket
import subprocess
import sys
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from backend_process import WITHOUT_BACKEND
from PIL import Image
from stand_ins import Service, dying, grpc_server, http_server, rest_answers

from keras_cabvit.cli import main
from keras_cabvit.serving import Answer, ServerError, classify_over_grpc, classify_over_rest

LABELS = tiny_models.LABELS


def photograph(seed):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (80, 90, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


FILES = [photograph(0), b"no image", photograph(1)]


@pytest.fixture(scope="module")
def signatures(served):
    return served.runtime.signatures


@pytest.fixture(scope="module")
def rest(signatures):
    with http_server(rest_answers(signatures)) as url:
        yield url


@pytest.fixture(scope="module")
def grpc_address(signatures):
    with grpc_server(Service(signatures)) as address:
        yield address


@pytest.fixture(params=["rest", "grpc"])
def client(request):
    """A client with the address of its server."""
    if request.param == "rest":
        return classify_over_rest, request.getfixturevalue("rest")
    return classify_over_grpc, request.getfixturevalue("grpc_address")


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_answers_match_the_model(client, signatures):
    classify, address = client
    answers = classify(FILES, address)
    expected = signatures["serving_bytes"](image_bytes=tf.constant(FILES))

    for number, answer in enumerate(answers):
        assert isinstance(answer, Answer)
        assert list(answer.classes) == expected["classes"][number].numpy().tolist()
        np.testing.assert_allclose(answer.scores, expected["scores"][number], atol=1e-6)
        assert answer.status == expected["status"][number].numpy().decode()
    assert answers[0].labels == tuple(LABELS[c] for c in answers[0].classes)
    assert answers[1].status == "The bytes are not a JPEG, PNG, WebP, GIF or BMP file."


def test_files_beyond_the_request_size_are_split(client):
    classify, address = client
    answers = classify([FILES[0], FILES[2]] * 10, address)

    expected = classify([FILES[0], FILES[2]], address) * 10
    assert [answer.classes for answer in answers] == [answer.classes for answer in expected]
    for answer, other in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer.scores, other.scores, atol=1e-6)
    with pytest.raises(ServerError, match="Task size 9 is larger than maximum"):
        classify(FILES * 3, address, batch_size=9)
    with pytest.raises(ValueError, match="`batch_size` must be at least 1"):
        classify(FILES, address, batch_size=0)


def test_address_without_a_scheme_gives_a_clear_error():
    with pytest.raises(ServerError, match=r"must begin with http:// or https://\. Received: 127"):
        classify_over_rest(FILES, "127.0.0.1:8501")


def test_unknown_model_gives_the_servers_error(client):
    classify, address = client

    with pytest.raises(ServerError, match=r"answered .*Servable not found.*Latest\(other\)"):
        classify(FILES[:1], address, model="other")


def test_model_without_the_file_signature_gives_the_servers_error():
    with http_server(rest_answers({})) as url, pytest.raises(ServerError, match="400: Serving sig"):
        classify_over_rest(FILES, url)
    with (
        grpc_server(Service({})) as address,
        pytest.raises(ServerError, match=r'INVALID_ARGUMENT: .*"serving_bytes" not found'),
    ):
        classify_over_grpc(FILES, address)


@pytest.mark.parametrize("address", ["http://ann:my secret@", "ftp://ann:secret@host"])
def test_password_in_an_address_is_not_repeated(address):
    with pytest.raises(ServerError, match=r"://\*\*\*@") as raised:
        classify_over_rest(FILES, address, retries=0)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("killed", [{"after_received": 300_000}, {"after_sent": 200}])
def test_server_that_dies_mid_request_gives_a_clear_error(client, killed):
    classify, address = client
    prefix, _, address = address.rpartition("/")
    host, port = address.split(":")

    with (
        dying((host, int(port)), **killed) as address,
        pytest.raises(ServerError, match=f"{address} .*closed the connection"),
    ):
        classify([*FILES, b"large" * 100_000], f"{prefix}/{address}".lstrip("/"), retries=0)


@pytest.mark.parametrize("classify", [classify_over_rest, classify_over_grpc])
def test_missing_server_gives_a_clear_error(classify):
    address = f"127.0.0.1:{closed_port()}"
    address = f"http://{address}" if classify is classify_over_rest else address

    with pytest.raises(ServerError, match=rf"No server answers at {address}: .*refused"):
        classify(FILES[:1], address, retries=0)


@pytest.mark.parametrize("classify", [classify_over_rest, classify_over_grpc])
def test_silent_server_gives_a_clear_error_after_the_timeout(classify):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "{}:{}".format(*server.getsockname())
        url = f"http://{address}" if classify is classify_over_rest else address
        begun = time.monotonic()
        with pytest.raises(ServerError, match=r"did not answer within 0.3 seconds"):
            classify(FILES[:1], url, timeout=0.3, retries=0)
    assert time.monotonic() - begun < 5


def test_overloaded_rest_server_is_retried(signatures):
    answer = rest_answers(signatures)
    busy = [(503, {"error": "busy"})]
    with http_server(lambda *request: busy.pop() if busy else answer(*request)) as url:
        assert len(classify_over_rest(FILES, url, retries=1)) == 3


def test_loading_grpc_server_is_retried(signatures):
    with grpc_server(Service(signatures, [grpc.StatusCode.UNAVAILABLE])) as address:
        assert len(classify_over_grpc(FILES, address, retries=1)) == 3


def test_persistent_overload_gives_the_servers_error():
    with (
        http_server(lambda *_: (503, {"error": "the queue is full"})) as url,
        pytest.raises(ServerError, match="status 503: the queue is full"),
    ):
        classify_over_rest(FILES, url, retries=1)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((200, b"<html>"), "status 200 and no JSON: it is not TF Serving"),
        ((200, {"predictions": [[0.5, 0.5]]}), "does not give classes"),
        ((200, {"predictions": []}), "number of predictions differs"),
    ],
)
def test_response_of_another_server_is_recognised(answer, sentence):
    with http_server(lambda *_: answer) as url, pytest.raises(ServerError, match=sentence):
        classify_over_rest(FILES[:1], url)


def test_photos_beyond_grpcs_default_limit_are_sent(grpc_address):
    large = b"no image" * (1 << 20)

    (answer,) = classify_over_grpc([large], grpc_address)
    assert "not a JPEG" in answer.status


@pytest.fixture
def images(tmp_path):
    for number, file in enumerate(FILES):
        (tmp_path / f"{number}.jpg").write_bytes(file)
    return [str(tmp_path / f"{number}.jpg") for number in range(3)]


def test_command_prints_a_table_and_names_unreadable_files(rest, images, capsys):
    status = main(["client", *images, "--rest", rest, "--top", "2"])
    printed = capsys.readouterr()
    (first, _, third) = classify_over_rest(FILES, rest)

    assert status == 1
    assert printed.err == f"{images[1]}: The bytes are not a JPEG, PNG, WebP, GIF or BMP file.\n"
    rows = [line.split() for line in printed.out.splitlines()[2:]]
    assert rows[0] == [images[0], first.labels[0], f"{100 * first.scores[0]:.1f}", "%"]
    assert rows[1] == [first.labels[1], f"{100 * first.scores[1]:.1f}", "%"]
    assert rows[2] == [images[1], "(not", "read)"]
    assert rows[3][:2] == [images[2], third.labels[0]]


def test_command_prints_json(grpc_address, images, capsys):
    status = main(["client", images[0], "--grpc", grpc_address, "--json"])
    (entry,) = json.loads(capsys.readouterr().out)

    assert status == 0
    assert entry["image"] == images[0]
    assert sorted(entry["labels"]) == LABELS
    assert entry["scores"] == sorted(entry["scores"], reverse=True)


def test_interrupted_command_reports_it(images):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1/models/cabvit"
        code = "import sys; from keras_cabvit.cli import main; sys.exit(main(sys.argv[1:]))"
        process = subprocess.Popen(
            [sys.executable, "-c", code, "client", images[0], "--rest", url],
            env=WITHOUT_BACKEND,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.settimeout(300)
        connection, _ = server.accept()  # never answer
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        connection.close()

    assert process.returncode == 130
    assert "cabvit client: interrupted." in errors
    assert "Traceback" not in errors


def test_missing_image_gives_a_clear_error(rest, capsys):
    assert main(["client", "none.jpg", "--rest", rest]) == 1
    assert capsys.readouterr().err == "cabvit client: There is no image at none.jpg.\n"
