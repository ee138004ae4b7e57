"""The signature that takes image files: scores for good files, reasons for the others."""

import io
import subprocess
import sys
from pathlib import Path

import made_files as made
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from huge_image import HALF_DECODED_BYTES, huge_png, peak_growth
from PIL import Image, ImageOps
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from keras_cabvit.data import evaluation_image
from keras_cabvit.data.decoding.image_header import image_size
from keras_cabvit.export import to_saved_model
from keras_cabvit.runtimes import load_saved_model

LABELS = tiny_models.LABELS
SIZE = (64, 64)


def encoded(height, width, form, mode="RGB", **options):
    """Returns the bytes of an image file that contains noise."""
    pixels = np.random.default_rng(height + width).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, form, **options)
    return file.getvalue()


GOOD = {
    "JPEG": encoded(80, 100, "JPEG"),
    "progressive JPEG": encoded(90, 70, "JPEG", progressive=True),
    "PNG": encoded(64, 64, "PNG"),
    "PNG of one pixel": encoded(1, 1, "PNG"),
    "grey PNG": encoded(50, 60, "PNG", mode="L"),
    "GIF": encoded(100, 100, "GIF", mode="P"),
    "WebP": encoded(120, 90, "WEBP"),
    "lossless WebP": encoded(70, 70, "WEBP", lossless=True),
    "BMP": encoded(50, 60, "BMP"),
    "JPEG on its side": made.jpeg(
        (80, 50), [(2, 2), (1, 1), (1, 1)], segments=made.app1(made.oriented(6))
    ),
}


@pytest.fixture
def loaded(served):
    return served.runtime


def classify(loaded, files):
    outputs = loaded.signatures["serving_bytes"](image_bytes=tf.constant(files, tf.string))
    return {name: value.numpy() for name, value in outputs.items()}


def test_good_files_are_classified_as_in_evaluation(loaded):
    found = classify(loaded, list(GOOD.values()))
    images = np.stack([evaluation_image(file, SIZE, crop=0.875) for file in GOOD.values()])
    probabilities = loaded.signatures["serving_default"](image=images)["probabilities"].numpy()

    assert found["status"].tolist() == [b""] * len(GOOD)
    order = np.argsort(-probabilities, axis=1)
    np.testing.assert_array_equal(found["classes"], order)
    np.testing.assert_allclose(
        found["scores"], np.take_along_axis(probabilities, order, axis=1), atol=1e-6
    )
    assert found["labels"].tolist() == [[LABELS[c].encode() for c in row] for row in order]


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (b"", "The file is empty."),
        (b"hello", "The bytes are not a JPEG, PNG, WebP, GIF or BMP file."),
        (made.bmp((2, 4), 8, compression=1), "Run-length encoded BMP files are not read."),
        (GOOD["PNG"][:200], "The file is damaged or cut short: it cannot be decoded."),
        (GOOD["JPEG"][:30], "The file is damaged or cut short: it cannot be decoded."),
        (b"\xff\xd8\xff", "The file is damaged or cut short: it cannot be decoded."),
        (
            b"\xff\xd8" + b"\xff" * 3_000_000,
            "The file is damaged or cut short: it cannot be decoded.",
        ),
        (b"GIF89a", "The file is damaged or cut short: it cannot be decoded."),
        (b"RIFF0000WEBPVP8X", "The file is damaged or cut short: it cannot be decoded."),
        (
            encoded(201, 100, "JPEG"),
            "The image has 100x201 pixels, and at most 0.02 million are decoded: send a smaller "
            "one.",
        ),
    ],
    ids=range(10),
)
def test_bad_file_gets_a_reason_and_its_neighbours_their_scores(loaded, bad, sentence):
    good = [GOOD["JPEG"], GOOD["WebP"]]
    expected = classify(loaded, good)
    found = classify(loaded, [good[0], bad, good[1]])

    assert found["status"].tolist() == [b"", sentence.encode(), b""]
    for name in ("classes", "labels"):
        np.testing.assert_array_equal(found[name][[0, 2]], expected[name])
    np.testing.assert_allclose(found["scores"][[0, 2]], expected["scores"], atol=1e-6)
    assert not found["scores"][1].any()
    assert found["labels"][1].tolist() == [b""] * 5


def test_an_image_is_turned_the_right_way_up_as_pillow_does(loaded):
    file = GOOD["JPEG on its side"]
    upright = io.BytesIO()
    ImageOps.exif_transpose(Image.open(io.BytesIO(file))).save(upright, "PNG")

    found = classify(loaded, [file, upright.getvalue()])
    np.testing.assert_array_equal(found["scores"][0], found["scores"][1])


def test_small_file_of_a_huge_image_takes_little_memory(loaded):
    file, answers = huge_png(), []
    assert len(file) < 5e5
    classify(loaded, [GOOD["PNG"]] * 2)  # the first call reserves memory

    growth = peak_growth(lambda: answers.append(classify(loaded, [file, GOOD["PNG"]])))
    assert growth < HALF_DECODED_BYTES
    status = answers[0]["status"].tolist()
    assert status[0].startswith(b"The image has 12000x12000 pixels, and at most")
    assert status[1] == b""


def test_batch_of_only_bad_files_and_empty_batch_get_answers(loaded):
    assert classify(loaded, [b"", b"x"])["scores"].tolist() == [[0] * 5] * 2
    assert classify(loaded, [])["scores"].shape == (0, 5)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 700), (257, 5)])
def test_sizes_are_read_from_the_header(form, height, width):
    options = [{}]
    if form == "JPEG":
        metadata = Image.Exif()
        metadata[0x010E] = "x" * 3000
        options += [{"progressive": True}, {"exif": metadata, "comment": b"comment"}]
    if form == "WEBP":
        options += [{"lossless": True}, {"exif": b"Exif\0\0some"}]
    for kind in options:
        file = encoded(height, width, form, **kind)
        assert image_size(tf.constant(file)).numpy().tolist() == [height, width]


def test_the_first_frame_of_an_animation_is_classified(loaded):
    frames = [Image.fromarray(np.full((90, 80, 3), level, np.uint8)) for level in (40, 200)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], comment=b"c" * 300)
    still = encoded(90, 80, "PNG")
    animation, first = file.getvalue(), io.BytesIO()
    frames[0].save(first, "PNG")

    found = classify(loaded, [animation, first.getvalue(), still])
    np.testing.assert_allclose(found["scores"][0], found["scores"][1], atol=1e-6)
    assert image_size(tf.constant(animation)).numpy().tolist() == [90, 80]


def test_a_frame_larger_than_the_screen_is_not_decoded(loaded):
    file = bytearray(encoded(201, 100, "GIF", mode="P"))
    file[6:10] = (1, 0, 1, 0)  # a screen of one pixel

    (status,) = classify(loaded, [bytes(file)])["status"]
    assert status.startswith(b"The image has 100x201 pixels")


def test_damaged_headers_never_stop_a_batch(loaded):
    rng = np.random.default_rng(0)
    files = []
    for file in GOOD.values():
        for _ in range(20):
            damaged = bytearray(file[: rng.integers(1, len(file))])
            for place in rng.integers(0, min(len(damaged), 64), 4):
                damaged[place] = rng.integers(0, 256)
            files.append(bytes(damaged))
    found = classify(loaded, [*files, GOOD["PNG"]])

    assert found["status"][-1] == b""
    assert found["scores"][-1].sum() == pytest.approx(1, abs=1e-5)


def test_labels_are_an_asset_and_can_come_from_a_file(served_hybrid, tmp_path):
    assert (served_hybrid / "assets" / "labels.txt").read_text().splitlines() == LABELS

    file = tmp_path / "names.txt"
    file.write_text("\n".join(LABELS) + "\n")
    exported = to_saved_model(
        tiny_models.pattern_classifier(), tmp_path / "model", labels=file, batch_sizes=()
    )
    assert (exported / "assets" / "labels.txt").read_text().splitlines() == LABELS
    assert not (exported / "assets.extra").exists()


def test_without_labels_classes_are_numbered(tmp_path):
    model = tiny_models.pattern_classifier(activation=None)
    loaded = load_saved_model(to_saved_model(model, tmp_path / "model", crop=1.0)).runtime
    found = classify(loaded, [GOOD["PNG"]])

    assert found["labels"][0].tolist() == [str(c).encode() for c in found["classes"][0]]
    # Probabilities, although the model gives logits.
    assert found["scores"][0].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"labels": LABELS[:4]}, "must name the 5 classes of the model. Received: 4 names"),
        ({"labels": [*LABELS[:4], " "]}, "Received: ' ' for class 4"),
        ({"crop": 0}, "`crop` must be above 0"),
        ({"max_megapixels": 0}, "`max_megapixels` must be above 0"),
        ({"max_megapixels": float("nan")}, "`max_megapixels` must be above 0"),
        ({"batch_sizes": (0,)}, "`batch_sizes` must be positive"),
        ({"batch_sizes": (1, 2.0)}, "`batch_sizes` must be positive"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    tiny_hybrid, tmp_path, options, sentence
):
    with pytest.raises(ValueError, match=sentence):
        to_saved_model(tiny_hybrid, tmp_path / "model", **options)
    assert not (tmp_path / "model").exists()


def test_missing_file_of_labels_gives_a_clear_error(tiny_hybrid, tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of labels at"):
        to_saved_model(tiny_hybrid, tmp_path / "model", labels=tmp_path / "none.txt")


def test_warm_up_requests_run_every_signature_and_batch_size(served_hybrid, loaded):
    from tensorflow_serving.apis import prediction_log_pb2

    file = served_hybrid / "assets.extra" / "tf_serving_warmup_requests"
    seen = []
    for record in tf.data.TFRecordDataset(str(file)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        signature = request.model_spec.signature_name
        outputs = loaded.signatures[signature](**{k: tf.constant(v) for k, v in inputs.items()})
        (batch,) = {len(value) for value in outputs.values()}
        seen.append((signature, batch))
        if signature == "serving_bytes":
            assert outputs["status"].numpy().tolist() == [b""] * batch
        assert request.model_spec.name == "cabvit"
    signatures = ("serving_default", "serving_float", "serving_bytes")
    assert seen == [(signature, batch) for signature in signatures for batch in (1, 3)]
    assert file.stat().st_size < 20_000


def meta_graph(version):
    proto = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    (meta_graph,) = proto.meta_graphs
    return meta_graph


def operations(version):
    """Returns the kinds of operations in a SavedModel, including those of its functions."""
    graph = meta_graph(version).graph_def
    nodes = [*graph.node]
    for function in graph.library.function:
        nodes += function.node_def
    return {node.op for node in nodes}


def test_no_operation_needs_python_or_a_library(served_hybrid):
    kinds = operations(served_hybrid)

    assert {"IgnoreErrorsDataset", "Conv2D"} <= kinds
    assert not [kind for kind in kinds if "PyFunc" in kind or "Xla" in kind]
    assert [kind for kind in kinds if op_def_registry.get(kind) is None] == []


def test_the_servers_loader_gives_the_same_scores_without_python(served_hybrid, loaded, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    signature = meta_graph(served_hybrid).signature_def["serving_default"]
    subprocess.run(
        [
            *(sys.executable, Path(__file__).with_name("run_with_c_api.py")),
            *(Path(tf.__file__).parent, served_hybrid),
            *(signature.inputs["image"].name, signature.outputs["probabilities"].name),
            *(tmp_path / "images.npy", tmp_path / "scores.npy"),
        ],
        check=True,
    )

    expected = loaded.signatures["serving_default"](image=images)["probabilities"]
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, atol=1e-6)
