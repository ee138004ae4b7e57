import contextlib
import gc
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
import tiny_models
from stand_ins import FILES, VERSIONS, Service, dying, grpc_server, http_server, rest_answers

from keras_cabvit.serving import (
    Answer,
    GrpcClient,
    RestClient,
    ServerError,
    ServerUnavailable,
    Target,
    VersionStatus,
    classify_over_grpc,
    classify_over_rest,
)

LABELS = tiny_models.LABELS


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
        ((200, {"outputs": []}), "status 200: there are no predictions"),
    ],
)
def test_response_of_another_server_is_recognised(answer, sentence):
    with http_server(lambda *_: answer) as url, pytest.raises(ServerError, match=sentence):
        classify_over_rest(FILES[:1], url)


def test_photos_beyond_grpcs_default_limit_are_sent(grpc_address):
    large = b"no image" * (1 << 20)

    (answer,) = classify_over_grpc([large], grpc_address)
    assert "not a JPEG" in answer.status


@pytest.mark.parametrize("chosen", [{"version": 3}, {"version_label": "stable"}])
def test_a_version_or_its_label_is_asked(client, chosen):
    classify, address = client

    assert len(classify(FILES[:1], address, **chosen)) == 1
    other = {name: 5 if name == "version" else "canary" for name in chosen}
    with pytest.raises(ServerError, match="Servable not found"):
        classify(FILES[:1], address, **other)


def test_states_of_versions_are_given(rest, grpc_address):
    for kind, address in ((RestClient, rest), (GrpcClient, grpc_address)):
        with kind(Target(address)) as client:
            assert client.status() == [VersionStatus(*version) for version in VERSIONS]
        with kind(Target(address, version=4)) as client:
            assert client.status() == [VersionStatus(*VERSIONS[1])]


HEADERS = {"Authorization": "Bearer s3cret-token", "X-Tenant": "tenant-47"}


def test_headers_are_sent(signatures, monkeypatch, tmp_path):
    # An entry for the server in ~/.netrc must not replace the token.
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    received, service = {}, Service(signatures)
    with http_server(rest_answers(signatures), received) as url:
        classify_over_rest(FILES[:1], url, headers=HEADERS)
    with grpc_server(service) as address:
        classify_over_grpc(FILES[:1], address, headers=HEADERS)

    for found in (received, service.metadata):
        found = {name.lower(): value for name, value in found.items()}
        assert found["authorization"] == HEADERS["Authorization"]
        assert found["x-tenant"] == HEADERS["X-Tenant"]


def test_values_of_headers_are_in_no_message(signatures):
    echo = "no access for s3cret-token of tenant-47"
    with http_server(lambda *_: (403, {"error": echo})) as url, pytest.raises(ServerError) as rest:
        classify_over_rest(FILES[:1], url, headers=HEADERS)
    service = Service(signatures)
    service.failures = [grpc.StatusCode.PERMISSION_DENIED]
    service.Predict = lambda _, context: context.abort(service.failures[0], echo)
    with grpc_server(service) as address, pytest.raises(ServerError) as over_grpc:
        classify_over_grpc(FILES[:1], address, headers=HEADERS)

    assert "status 403: no access for *** of ***" in str(rest.value)
    assert "PERMISSION_DENIED: no access for *** of ***" in str(over_grpc.value)
    with pytest.raises(ValueError, match="header X-Key must be printable ASCII") as raised:
        Target("127.0.0.1:8500", headers={"X-Key": "s3cret\ntoken"})
    assert "s3cret" not in str(raised.value)
    assert "s3cret" not in repr(Target("127.0.0.1:8500", headers=HEADERS))


def test_redirects_are_named_and_not_followed(signatures):
    received = {}
    with (
        http_server(rest_answers(signatures), received) as url,
        http_server(lambda *_: (302, b"moved"), sent={"Location": url}) as first,
        pytest.raises(ServerError, match=f"redirects to {url}: give that address"),
    ):
        classify_over_rest(FILES[:1], first, headers=HEADERS)
    assert not received


def test_refused_access_is_named():
    with (
        http_server(lambda *_: (401, b"<html>")) as url,
        pytest.raises(ServerError, match=r"refuses access \(status 401\)"),
    ):
        classify_over_rest(FILES[:1], url)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"version": 1, "version_label": "stable"}, "`version` or `version_label`, not both"),
        ({"timeout": 0}, "`timeout` must be above 0"),
        ({"retries": -1}, "`retries` must be at least 0"),
        ({"headers": {"a b": "c"}}, "'a b' cannot be the name of a header"),
    ],
)
def test_impossible_targets_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Target("127.0.0.1:8500", **arguments)


def waits_of(retries, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)

    def ask():
        raise ServerUnavailable("loading")

    with pytest.raises(ServerUnavailable):
        Target("127.0.0.1:8500", retries=retries).attempt(ask)
    return waits


def test_retries_wait_longer_each_time(monkeypatch):
    assert waits_of(0, monkeypatch) == []
    assert waits_of(6, monkeypatch) == [0.5, 1, 2, 4, 8, 8]


def test_other_errors_are_not_retried():
    asked = []
    with (
        http_server(lambda *request: asked.append(request) or (500, {"error": "no"})) as url,
        pytest.raises(ServerError, match="status 500: no"),
    ):
        classify_over_rest(FILES[:1], url)
    assert len(asked) == 1


def test_connections_of_threads_that_have_ended_are_closed(rest):
    def sessions():
        gc.collect()
        return [each for each in gc.get_objects() if isinstance(each, requests.Session)]

    before = len(sessions())
    with RestClient(Target(rest)) as client:
        for _ in range(5):
            thread = threading.Thread(target=client.status)
            thread.start()
            thread.join()
        assert len(sessions()) == before


@pytest.mark.parametrize("timeout", [0, float("nan"), float("inf"), 1e10])
def test_impossible_timeout_gives_a_clear_error(timeout):
    with pytest.raises(ValueError, match="`timeout` must be above 0 and at most 1e\\+09"):
        Target("http://127.0.0.1:1", timeout=timeout)


@contextlib.contextmanager
def server_that(answers):
    """Serves connections by a function; gives the address and a list of all of them."""
    asked = []

    def serve():
        while True:
            connection, _ = server.accept()
            asked.append(connection)
            connection.recv(1 << 16)
            answers(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", asked


def test_answer_that_stops_in_the_middle_is_a_timeout_and_not_repeated():
    def begin(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")

    with (
        server_that(begin) as (address, asked),
        pytest.raises(ServerError, match=r"did not answer within 0\.5 seconds") as raised,
    ):
        classify_over_rest(FILES[:1], f"http://{address}", timeout=0.5, retries=2)
    assert not isinstance(raised.value, ServerUnavailable)
    assert len(asked) == 1


def test_secure_connection_that_is_closed_is_tried_again():
    with (
        server_that(socket.socket.close) as (address, asked),
        pytest.raises(ServerUnavailable, match="closed the connection before answering"),
    ):
        classify_over_rest(FILES[:1], f"https://{address}", retries=1)
    assert len(asked) == 2
