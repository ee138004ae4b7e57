"""The page's server: its answers, and whom it answers."""

import base64
import http.client
import json
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from chromium import needs_chromium

from benchmarks.chromium import Page
from keras_cabvit.data import evaluation_image
from keras_cabvit.demo import DemoServer, Photographs
from keras_cabvit.explain import explain_image
from keras_cabvit.runtimes import open_model, predict_files

PHOTOGRAPH = Path(__file__).parents[1] / "photographs" / "cat.jpg"
CROP = 0.8


@pytest.fixture(scope="module")
def opened(tmp_path_factory, tiny_plain):
    folder = tmp_path_factory.mktemp("run")
    tiny_plain.save(folder / "model.keras")
    (folder / "labels.txt").write_text("\n".join(tiny_models.LABELS))
    return open_model(folder / "model.keras")


@pytest.fixture(scope="module")
def server(opened):
    with DemoServer(Photographs(opened, crop=CROP)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def asked(server, path, content=None, **headers):
    """Returns the status, the headers and the content of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if content is not None:
        headers = {"Content-Type": "application/octet-stream"} | headers
    connection.request("GET" if content is None else "POST", path, content, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def test_predictions_are_those_of_predict_files(server, opened):
    (row,) = predict_files(opened, [PHOTOGRAPH], top=5, crop=CROP)

    status, _, content = asked(server, "/predictions", PHOTOGRAPH.read_bytes())

    assert status == 200
    found = json.loads(content)["predictions"]
    assert tuple(each["name"] for each in found) == row.class_names
    assert tuple(each["number"] for each in found) == row.classes
    np.testing.assert_allclose([each["probability"] for each in found], row.probabilities, 1e-5)


def test_maps_are_those_of_explain_image(server, opened):
    _, _, content = asked(server, "/predictions", PHOTOGRAPH.read_bytes())
    png = base64.b64decode(json.loads(content)["image"].partition(",")[2])
    pixels = tf.io.decode_png(png).numpy()
    np.testing.assert_array_equal(pixels, evaluation_image(PHOTOGRAPH.read_bytes(), (40, 40), CROP))
    names = ["stage/block_0", "stage/block_1", "stage/block_2"]
    expected = explain_image(opened.runtime, pixels.astype("float32"), 3, names)

    status, _, content = asked(server, "/maps?class=3", PHOTOGRAPH.read_bytes())

    assert status == 200
    found = json.loads(content)
    assert found["explained"] == {"number": 3, "name": "dog"}
    np.testing.assert_allclose(found["rollout"], expected.rollout, 1e-4, 1e-6)
    np.testing.assert_allclose(found["gradCam"], expected.grad_cam, 1e-4, 1e-6)
    assert [block["name"] for block in found["blocks"]] == names
    for block in found["blocks"]:
        np.testing.assert_allclose(block["places"], expected.places[block["name"]], 1e-4, 1e-6)
        digests = {each["source"]: each["places"] for each in block["digests"]}
        assert digests.keys() == expected.digests[block["name"]].keys()
        for source, places in digests.items():
            np.testing.assert_allclose(places, expected.digests[block["name"]][source], 1e-4, 1e-6)


def huge_png():
    """Returns the header of a PNG file of 9000x9000 pixels."""
    encoded = tf.io.encode_png(np.zeros((1, 1, 3), "uint8")).numpy()
    return encoded[:16] + (9000).to_bytes(4, "big") * 2 + encoded[24:]


BAD = {
    "empty": b"",
    "text": b"no image, but some text",
    "cut": PHOTOGRAPH.read_bytes()[:2000],
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40),
    "huge": huge_png(),
}


@pytest.fixture(scope="module")
def reasons(opened, tmp_path_factory):
    """The sentences of `predict_files` on the files in `BAD`."""
    folder = tmp_path_factory.mktemp("bad")
    for name, encoded in BAD.items():
        (folder / name).write_bytes(encoded)
    return {row.path.name: row.error for row in predict_files(opened, sorted(folder.iterdir()))}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("path", ["/predictions", "/maps?class=0"])
def test_bad_file_gets_the_sentence_of_predict(server, reasons, name, path):
    assert reasons[name]

    status, _, content = asked(server, path, BAD[name])

    assert status == 422
    assert json.loads(content) == {"error": reasons[name]}


@pytest.mark.parametrize("number", ["5", "-1", "", "1.5", "9" * 30])
def test_class_that_does_not_exist_gives_a_clear_error(server, number):
    status, _, content = asked(server, f"/maps?class={number}", b"x")

    assert status == 422
    assert json.loads(content)["error"].startswith("`class` must be")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "rebound.example:PORT"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Origin": "http://other.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Length": str(10**9)}, 413),
        ({"Content-Length": "-5"}, 411),
        ({"Transfer-Encoding": "chunked"}, 411),
        ({"Origin": "http://127.0.0.1:PORT"}, 200),
        ({"Origin": "http://localhost:PORT", "Host": "localhost:PORT"}, 200),
    ],
)
def test_photographs_are_taken_only_from_the_page_itself(server, headers, expected):
    port = str(server.server_port)
    headers = {name: value.replace("PORT", port) for name, value in headers.items()}

    status, answered, content = asked(server, "/predictions", PHOTOGRAPH.read_bytes(), **headers)

    assert status == expected
    if expected != 200:
        assert answered["Connection"] == "close"
        assert json.loads(content)["error"].endswith((".", "octet-stream"))
    assert "Access-Control-Allow-Origin" not in answered


def test_page_under_another_name_is_not_shown(server):
    assert asked(server, "/", Host="rebound.example")[0] == 421


def test_only_the_page_is_served_and_nothing_from_elsewhere_loads(server):
    status, headers, content = asked(server, "/")
    assert status == 200
    assert b"http" not in content.replace(b"http-equiv", b"")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    for path in ("/../photographs.py", "/alone.js", "/predictions", "/%2e%2e/server.py"):
        assert asked(server, path)[0] == 404


def test_server_listens_to_this_computer_alone(server):
    assert server.server_address[0] == "127.0.0.1"


def test_port_in_use_gives_a_clear_error(server):
    with pytest.raises(OSError, match="Choose another one with --port"):
        DemoServer(server.photographs, server.server_port)


def test_port_is_free_again_at_once(server):
    with DemoServer(server.photographs) as first:
        threading.Thread(target=first.serve_forever, daemon=True).start()
        # It ends the connection of a request that it refuses, which the system then remembers.
        with socket.create_connection(first.server_address) as browser:
            browser.sendall(b"GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
            while browser.recv(4096):
                pass
        first.shutdown()

    with DemoServer(server.photographs, first.server_port) as again:
        assert again.server_port == first.server_port


@pytest.mark.slow
@needs_chromium
def test_browser_shows_predictions_and_maps_of_an_uploaded_photograph(server, opened, tmp_path):
    (row,) = predict_files(opened, [PHOTOGRAPH], top=5, crop=CROP)
    (tmp_path / "broken.jpg").write_text("no image")
    with Page(server.address) as page:
        page.wait("document.body.dataset.ready")
        page.upload("#file", PHOTOGRAPH)
        page.wait("document.querySelectorAll('#thumbnails button').length")
        names = "[...document.querySelectorAll('#predictions b')].map(each => each.textContent)"
        assert tuple(page.value(names)) == row.class_names
        # Input, Grad-CAM, rollout and the three blocks; block_1 and block_2 see digest tokens.
        assert page.value("document.querySelectorAll('#thumbnails button').length") == 6
        assert page.value("document.querySelectorAll('#tables button').length") == 3

        page.value("document.querySelectorAll('#predictions button')[1].click()")
        page.wait(
            f"document.querySelector('#caption').textContent.includes({row.class_names[1]!r})"
        )
        page.value("document.querySelector('#tables button').click()")
        assert "digest tokens of stage/block_0" in page.value("caption.textContent")

        page.upload("#file", tmp_path / "broken.jpg")
        sentence = "broken.jpg: The bytes are not a JPEG, PNG, WebP, GIF or BMP file."
        page.wait(f"document.querySelector('#status').textContent === {sentence!r}")

        # Maps that are being computed belong to the photograph that stays on the page.
        page.value("document.querySelector('#thumbnails').replaceChildren()")
        page.upload("#file", PHOTOGRAPH)
        page.wait("document.querySelector('#status').textContent.startsWith('Computing')")
        page.upload("#file", tmp_path / "broken.jpg")
        page.wait("document.querySelectorAll('#thumbnails button').length")
        page.wait(f"document.querySelector('#status').textContent === {sentence!r}")
        # The browser reports the answer's status 422, and nothing else.
        assert [each for each in page.complaints() if "422" not in each] == []
        assert all(each.startswith((server.address, "data:")) for each in page.addresses())


@pytest.mark.slow
@needs_chromium
def test_browser_takes_photographs_that_are_dropped_and_pasted(server, tmp_path):
    (tmp_path / "dropped.jpg").write_bytes(PHOTOGRAPH.read_bytes())
    status = "document.querySelector('#status').textContent"
    with Page(server.address) as page:
        page.wait("document.body.dataset.ready")
        page.drop("#drop", tmp_path / "dropped.jpg", PHOTOGRAPH)
        page.wait(f"/^dropped.jpg: .* %. The first of 2 files/.test({status})")
        page.paste("pasted.jpg", PHOTOGRAPH.read_bytes())
        page.wait(f"/^pasted.jpg: .* %$/.test({status})")
        # A link, or an image dragged from another page.
        page.drop("#drop")
        page.wait(f"{status}.startsWith('That is not a file.')")
        assert page.complaints() == []
