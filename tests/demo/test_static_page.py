"""The static page: its folder, its runtime's package, and what it gives the model in a browser."""

import base64
import hashlib
import io
import json
import struct
import tarfile

import numpy as np
import pytest
import small_classifier
from chromium import needs_chromium
from PIL import Image
from small_disk import files_of_at_most

from benchmarks.chromium import Page
from benchmarks.static_page import served
from keras_cabvit.cli import main
from keras_cabvit.data import evaluation_image
from keras_cabvit.demo import tasks_vision, write_static_page
from keras_cabvit.export import to_tflite

CROP = 0.7
# Keeps the pixels that it is given, and finds the second class best.
STAND_IN = """
export const FilesetResolver = {
  isSimdSupported: async () => true,
  forVisionTasks: async folder => folder,
};
export const ImageClassifier = {
  createFromOptions: async (folder, {baseOptions}) => {
    globalThis.model = (await (await fetch(baseOptions.modelAssetPath)).arrayBuffer()).byteLength;
    return {
      classify(image) {
        globalThis.given = btoa(String.fromCharCode(...image.data));
        const scores = [0.1, 0.6, 0.2, 0.1];
        const categories = scores.map((score, index) => ({index, score, categoryName: "x"}));
        return {classifications: [{categories: categories.reverse()}]};
      },
    };
  },
};
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    model = small_classifier.small_classifier()
    return to_tflite(
        model, path, quantization="none", labels=small_classifier.CLASS_NAMES, crop=CROP
    )


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder of a package with a stand-in of MediaPipe, which is 13 MB."""
    folder = tmp_path / "tasks-vision"
    (folder / "wasm").mkdir(parents=True)
    hashes = {}
    for name in tasks_vision.FILES:
        content = STAND_IN.encode() if name.endswith(".mjs") else name.encode()
        (folder / name).write_bytes(content)
        hashes[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(tasks_vision, "FILES", hashes)
    return folder


def packed(folder, path):
    """Writes the archive of a package, and returns its integrity."""
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "package")
    digest = hashlib.sha512(path.read_bytes()).digest()
    return f"sha512-{base64.b64encode(digest).decode()}"


def test_folder_has_the_page_the_model_and_the_runtime_with_its_licence(
    model, package, tmp_path, capsys
):
    arguments = ["--static", str(tmp_path / "page"), "--model", str(model)]
    assert main(["demo", *arguments, "--tasks-vision", str(package)]) == 0

    assert str(tmp_path / "page") in capsys.readouterr().out
    page = tmp_path / "page"
    assert (page / "model.tflite").read_bytes() == model.read_bytes()
    stated = json.loads((page / "model.json").read_text())
    assert (stated["imageSize"], stated["crop"]) == (list(small_classifier.SIZE), CROP)
    assert stated["labels"] == list(small_classifier.CLASS_NAMES)
    for name in tasks_vision.FILES:
        assert (page / "tasks-vision" / name).read_bytes() == (package / name).read_bytes()
    assert "Apache License" in (page / "tasks-vision" / "LICENSE").read_text()
    assert "1.1.0" in (page / "tasks-vision" / "NOTICE").read_text()
    for name in ("index.html", "page.js", "classifier.js", "heat.js", "photograph.js"):
        assert "http:" not in (page / name).read_text()


def test_full_disk_is_named_and_nothing_is_written(model, package, tmp_path, capsys):
    arguments = ["--static", str(tmp_path / "page"), "--model", str(model)]
    with files_of_at_most(1000):
        assert main(["demo", *arguments, "--tasks-vision", str(package)]) == 1
    assert "The disk is full" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_only_the_pinned_package_is_taken(model, package, tmp_path, monkeypatch):
    archive = tmp_path / "package.tgz"
    monkeypatch.setattr(tasks_vision, "INTEGRITY", packed(package, archive))
    assert tasks_vision.tasks_vision_files(archive) == tasks_vision.tasks_vision_files(package)

    archive.write_bytes(archive.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="its integrity must be sha512-"):
        write_static_page(model, tmp_path / "page", archive)
    (package / "wasm" / "vision_wasm_internal.wasm").write_bytes(b"another")
    with pytest.raises(ValueError, match=r"wasm_internal\.wasm in .* is not that of"):
        write_static_page(model, tmp_path / "page", package)
    (package / "vision_bundle.mjs").unlink()
    with pytest.raises(ValueError, match=r"it has no vision_bundle.mjs. Give `tasks_vision`"):
        write_static_page(model, tmp_path / "page", package)
    with pytest.raises(FileNotFoundError, match=r"npm pack @mediapipe/tasks-vision@1\.1\.0"):
        write_static_page(model, tmp_path / "page", tmp_path / "absent")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OSError, match="needs npm, which is not installed"):
        write_static_page(model, tmp_path / "page")
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "RUN", "--static", "page"], "make one of the .keras file with `cabvit export"),
        (["--model", "TFLITE"], "its attention maps are not in it"),
        (["--model", "TFLITE", "--static", "page", "--port", "1"], "no meaning with --static"),
        (["--model", "TFLITE", "--tasks-vision", "x"], "give --static FOLDER too"),
        (["--model", "TFLITE", "--static", "page", "--crop", "2"], "at most 1. Received: crop=2"),
        (["--model", "TFLITE", "--static", "own", "--tasks-vision", "PACKAGE"], "Choose another"),
    ],
)
def test_wrong_arguments_give_a_clear_error(
    model, package, tmp_path, monkeypatch, capsys, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.keras").touch()
    given = {"RUN": "run", "TFLITE": str(model), "PACKAGE": str(package)}
    assert main(["demo", *(given.get(each, each) for each in arguments)]) == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def photographs():
    """Returns noise in files of several kinds: the bytes by name."""
    noise = np.random.default_rng(0).integers(0, 256, (61, 97, 4), "uint8")
    noise[..., 3] //= 2  # half transparent, in part wholly
    noise[:20, :, 3] = 0

    def turn(orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        return exif

    exif = turn(6)  # on its side
    files = {}
    for name, channels, options in (
        ("turned.jpg", 3, {"exif": exif, "quality": 95}),
        ("transparent.png", 4, {}),
        ("lossless.webp", 4, {"lossless": True, "exact": True}),
        ("small.bmp", 3, {}),
        ("turned.png", 3, {"exif": exif}),
        *(
            (f"turned_{value}.webp", 3, {"exif": turn(value), "lossless": True})
            for value in range(2, 9)
        ),
    ):
        file = io.BytesIO()
        kind = {"jpg": "jpeg"}.get(name.rpartition(".")[2], name.rpartition(".")[2])
        Image.fromarray(noise[..., :channels]).save(file, kind, **options)
        files[name] = file.getvalue()
    indices = Image.fromarray(noise[..., 0] // 4, "P")
    indices.putpalette(noise[:8, :8, :3].tobytes())
    for name, options in (("opaque.gif", {}), ("transparent.gif", {"transparency": 7})):
        file = io.BytesIO()
        indices.save(file, "GIF", optimize=False, **options)
        files[name] = file.getvalue()
        # The frame leaves the lower right of its screen free: that has the palette's first colour,
        # or the transparent one.
        screen = struct.pack("<HH", 120, 80)
        files[f"small_frame_{name}"] = files[name][:6] + screen + files[name][10:]
    return files


@pytest.mark.slow
@needs_chromium
def test_browser_gives_the_model_the_pixels_of_the_evaluation(model, package, tmp_path):
    page_folder, _ = write_static_page(model, tmp_path / "page", package)
    server, address = served(page_folder)
    with Page(address) as page:
        page.wait("document.body.dataset.ready")
        assert page.value("globalThis.model") == model.stat().st_size
        for name, encoded in photographs().items():
            (tmp_path / name).write_bytes(encoded)
            page.value("predictions.replaceChildren()")
            page.upload("#file", tmp_path / name)
            page.wait("document.querySelectorAll('.prediction').length")
            assert page.value("document.querySelector('.prediction b').textContent") == "bee"
            given = np.frombuffer(base64.b64decode(page.value("globalThis.given")), "uint8")
            given = given.reshape(*small_classifier.SIZE, 4)[..., :3].astype(int)
            expected = evaluation_image(encoded, small_classifier.SIZE, CROP).numpy()
            assert np.abs(given - expected).max() <= 1, name
        for content, sentence in (
            (b"some text", "The bytes are not a JPEG, PNG, WebP, GIF or BMP file."),
            (photographs()["transparent.png"][:200], "The file is damaged or cut short."),
            (b"", "The file is empty."),
        ):
            (tmp_path / "bad.jpg").write_bytes(content)
            page.upload("#file", tmp_path / "bad.jpg")
            page.wait(
                f"document.querySelector('#status').textContent === {'bad.jpg: ' + sentence!r}"
            )
        assert page.complaints() == []
        assert all(each.startswith(address) for each in page.addresses())
    server.shutdown()
