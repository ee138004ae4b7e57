"""The .onnx file: its scores in onnxruntime and OpenVINO, its operators and its metadata."""

import collections
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import onnx
import openvino
import pytest
import tiny_models

from keras_cabvit.cli import main
from keras_cabvit.data import evaluation_image
from keras_cabvit.export import Metadata, to_onnx
from keras_cabvit.inference import FusedLayerNormalization, fuse
from keras_cabvit.layers import CrossBlockAttention
from keras_cabvit.runtimes import load_onnx, open_model, predict_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hybrid(tiny_hybrid, tmp_path_factory):
    """The file of a hybrid model, whose blocks see 0, 1 and 2 blocks' digest tokens."""
    return to_onnx(
        tiny_hybrid,
        tmp_path_factory.mktemp("onnx") / "model.onnx",
        labels=tiny_models.LABELS,
        crop=0.9,
        metadata=Metadata(name="patterns", description="Tells patterns", author="Ada"),
    )


@pytest.fixture(scope="module")
def plain(tiny_plain, tmp_path_factory):
    """The file of a plain model, with float pixels."""
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return to_onnx(tiny_plain, path, input_type="float32")


@pytest.fixture(params=["hybrid", "plain"])
def exported(request):
    """Each model, its file, and the type of its pixels."""
    file = request.getfixturevalue(request.param)
    dtype = {"hybrid": "uint8", "plain": "float32"}[request.param]
    return request.getfixturevalue(f"tiny_{request.param}"), file, dtype


def test_scores_are_those_of_the_model_in_both_runtimes_at_every_batch_size(exported):
    model, file, dtype = exported
    images = np.rint(tiny_models.images(model, 8)).astype(dtype)
    expected = tiny_models.outputs(model, images.astype("float32"))
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(file), "CPU", precision)
    classifier = load_onnx(file)

    for batch in (1, 2, 8):
        for found in (classifier(images[:batch]), compiled(images[:batch])[0]):
            np.testing.assert_allclose(found, expected[:batch], atol=1e-6)


def test_file_for_a_fixed_number_of_images_gives_the_same_scores(tiny_plain, tmp_path):
    file = to_onnx(tiny_plain, tmp_path / "model.onnx", batch_size=2)
    compiled = openvino.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    images = tiny_models.images(tiny_plain, 5).astype("uint8")
    expected = tiny_models.outputs(tiny_plain, images.astype("float32"))

    assert list(compiled.input(0).shape) == [2, *tiny_plain.input_shape[1:]]
    assert list(compiled.output(0).shape) == [2, 5]
    np.testing.assert_allclose(compiled(images[:2])[0], expected[:2], atol=1e-6)
    # Five images are three batches, the last of them filled.
    np.testing.assert_allclose(load_onnx(file)(images), expected, atol=1e-6)


def test_a_block_has_one_product_for_keys_and_values(exported):
    model, file, _ = exported
    content = onnx.load(file)
    written_by = {name: node for node in content.graph.node for name in node.output}
    blocks = sum(isinstance(layer, CrossBlockAttention) for layer in model._flatten_layers())
    splits = [node for node in content.graph.node if node.op_type == "Split"]
    assert len(splits) == blocks
    for split in splits:
        transposed = written_by[split.input[0]]
        assert transposed.op_type == "Transpose"
        assert written_by[transposed.input[0]].op_type == "Reshape"


def test_tf2onnx_which_copies_constants_never_gets_the_kernels(tiny_plain, tmp_path, monkeypatch):
    import tf2onnx.convert

    graphs, convert = [], tf2onnx.convert.from_graph_def
    monkeypatch.setattr(
        "tf2onnx.convert.from_graph_def",
        lambda graph, **options: graphs.append(graph) or convert(graph, **options),
    )
    content = onnx.load(to_onnx(tiny_plain, tmp_path / "model.onnx"))

    products = [node.input[1] for node in content.graph.node if node.op_type == "MatMul"]
    shapes = {each.name: tuple(each.dims) for each in content.graph.initializer}
    kernels = {shapes[name] for name in products if name in shapes}
    tensors = [node.attr["value"].tensor for node in graphs[0].node if node.op == "Const"]
    constants = {tuple(each.size for each in tensor.tensor_shape.dim) for tensor in tensors}

    assert {(24, 96), (96, 24), (24, 24), (24, 48)} <= kernels  # the MLP's and attention's
    assert not constants & kernels


def test_every_norm_is_one_operator(exported):
    model, file, _ = exported
    content = onnx.load(file)
    onnx.checker.check_model(content, full_check=True)
    found = collections.Counter(node.op_type for node in content.graph.node)
    layers = fuse(model)._flatten_layers()

    assert found["LayerNormalization"] == sum(
        isinstance(layer, FusedLayerNormalization) for layer in layers
    )
    # Nothing of a norm is left, and no arithmetic on the shapes of dense layers.
    assert not {"ReduceMean", "Sqrt", "ReduceProd", "Gather"} & set(found)
    assert [(each.domain, each.version) for each in content.opset_import] == [("", 17)]


def test_convolutions_pad_and_their_gelus_stay_in_their_layout(exported):
    content = onnx.load(exported[1])
    written_by = {name: node for node in content.graph.node for name in node.output}
    for node in content.graph.node:
        assert node.op_type != "Pad"
        before = [written_by[name].op_type for name in node.input if name in written_by]
        if node.op_type == "Transpose":
            assert before != ["Transpose"]
        if node.op_type == "Erf":
            divided = written_by[node.input[0]]
            assert divided.op_type == "Div"
            assert written_by[divided.input[0]].op_type in ("Conv", "Add")


def test_norms_see_tokens_because_openvino_splits_those_of_maps(exported):
    content = onnx.shape_inference.infer_shapes(onnx.load(exported[1]))
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim) for value in content.graph.value_info
    }
    norms = [node for node in content.graph.node if node.op_type == "LayerNormalization"]
    assert {ranks[node.input[0]] for node in norms} <= {2, 3}


def test_file_states_what_a_program_must_know(hybrid):
    content = onnx.load(hybrid)
    stated = {entry.key: entry.value for entry in content.metadata_props}
    (image,), (scores,) = content.graph.input, content.graph.output

    assert (image.name, image.type.tensor_type.elem_type) == ("image", onnx.TensorProto.UINT8)
    assert (scores.name, scores.type.tensor_type.elem_type) == (
        "probabilities",
        onnx.TensorProto.FLOAT,
    )
    assert [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim] == [
        *("batch", 64, 64, 3)
    ]
    assert [dim.dim_param or dim.dim_value for dim in scores.type.tensor_type.shape.dim] == [
        *("batch", 5)
    ]
    assert stated["labels.txt"] == "ant\nbee\ncat\ndog\nelk\n"
    assert stated["scores"] == "probabilities"
    assert stated["Image.NominalPixelRange"] == "NominalRange_0_255"
    assert stated["Image.BitmapPixelFormat"] == "Rgb8"
    assert stated["model_author"] == "Ada"
    assert (content.graph.name, content.doc_string) == ("patterns", "Tells patterns")

    opened = open_model(hybrid)
    assert (opened.form, opened.image_size, opened.classes) == ("ONNX", (64, 64), 5)
    assert opened.class_names == tuple(tiny_models.LABELS)
    assert (opened.evaluation_crop, opened.notes) == (0.9, ())


def test_logits_and_one_sigmoid_unit(tmp_path):
    logits = tiny_models.pattern_classifier(activation=None)
    images = tiny_models.patterned_images((64, 64, 3), 3)
    classifier = load_onnx(to_onnx(logits, tmp_path / "logits.onnx"))
    assert classifier.gives_probabilities is False
    np.testing.assert_allclose(
        classifier(images), tiny_models.outputs(logits, images.astype("float32")), atol=1e-5
    )

    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(logits.input))
    one = keras.Model(logits.input, keras.layers.Dense(1, "sigmoid")(pooled))
    classifier = load_onnx(to_onnx(one, tmp_path / "one.onnx", labels=["cat", "dog"]))
    second = tiny_models.outputs(one, images.astype("float32"))
    np.testing.assert_allclose(classifier(images), np.hstack([1 - second, second]), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"path": "model.tflite"}, r"`path` must end in \.onnx\. Received: path='.*model\.tflite'"),
        ({"input_type": "int8"}, r"`input_type` must be one of .* Received: input_type='int8'"),
        ({"crop": 0}, "`crop` must be above 0 and at most 1"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer, .* Received: batch_size=0"),
        ({"labels": ["ant"]}, "must name the 5 classes of the model. Received: 1 names"),
    ],
)
def test_wrong_option_gives_a_clear_error(tmp_path, options, sentence):
    path = tmp_path / options.pop("path", "model.onnx")
    with pytest.raises(ValueError, match=sentence):
        to_onnx(tiny_models.pattern_classifier(), path, **options)
    assert not list(tmp_path.iterdir())


def test_model_in_bfloat16_gives_a_clear_error(tmp_path):
    with tiny_models.dtype_policy("bfloat16"):
        model = tiny_models.pattern_classifier()
    with pytest.raises(ValueError, match="ONNX files compute in float32 here, but layer"):
        to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@keras.saving.register_keras_serializable("tests")
class InverseErf(keras.layers.Layer):
    """An operation that ONNX does not have."""

    def call(self, x):
        return keras.ops.erfinv(x)


def test_model_that_cannot_be_converted_leaves_the_file_as_it_was(tmp_path):
    model = tiny_models.pattern_classifier()
    scores = keras.layers.Softmax()(InverseErf()(model.output))
    (tmp_path / "model.onnx").write_bytes(b"before")

    with pytest.raises(
        ValueError, match="its operation Erfinv is not one of ONNX's, and tf2onnx does not"
    ):
        to_onnx(keras.Model(model.input, scores), tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"before"


def test_command_exports_verifies_and_predicts(tmp_path, monkeypatch, capsys):
    tiny_models.pattern_classifier().save(tmp_path / "model.keras")
    (tmp_path / "labels.txt").write_text("\n".join(tiny_models.LABELS))
    (tmp_path / "run.json").write_text('{"recipe": {"evaluation_crop": 1.0}}')
    for number, pixels in enumerate(tiny_models.patterned_images((64, 64, 3), 5)):
        path = tmp_path / "images" / tiny_models.LABELS[number] / f"{number}.png"
        path.parent.mkdir(parents=True)
        keras.utils.save_img(path, pixels, scale=False)
    keras_file, file = str(tmp_path / "model.keras"), str(tmp_path / "moved" / "model.onnx")

    options = ["--output", file, "--version", "7", "--batch-size", "3"]
    assert main(["export", "onnx", keras_file, *options]) == 0
    assert capsys.readouterr().out.startswith(f"{file} (0.0 MB)")
    images = str(tmp_path / "images")
    assert main(["verify", file, "--against", keras_file, "--data", images, "--rounds", "1"]) == 0
    assert "100.00 %" in capsys.readouterr().out
    monkeypatch.chdir(images)
    assert main(["predict", ".", "--model", file, "--top", "1"]) == 0
    output, errors = capsys.readouterr()
    assert [line.split()[1] for line in output.splitlines()[2:]] == tiny_models.LABELS
    assert errors.splitlines() == ["model.onnx (ONNX), 64x64 pixels, centre crop 1."]


def test_code_of_the_documentation_gives_the_scores_of_predict(hybrid, tmp_path, monkeypatch):
    photograph = Path(__file__).parents[1] / "photographs" / "cat.jpg"
    shutil.copy(photograph, tmp_path / "photo.jpg")
    shutil.copy(hybrid, tmp_path)
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")
    names, scores = {}, []
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "onnx.md", "exec"), names)
        scores.append(names["scores"][0])

    expected = evaluation_image(photograph.read_bytes(), (64, 64), crop=0.9).numpy()
    assert np.abs(names["pixels"].astype(float) - expected).mean() < 0.5
    (row,) = predict_files(hybrid, [photograph], top=5)
    expected = [score for _, score in sorted(zip(row.classes, row.probabilities, strict=True))]
    assert len(scores) == 2
    np.testing.assert_allclose(scores, [expected] * 2, atol=0.01)


def foreign(path, shape, dtype="FLOAT", entries=()):
    """Writes an .onnx file of another program, which averages colours, and returns its path."""
    kind = getattr(onnx.TensorProto, dtype)
    image = onnx.helper.make_tensor_value_info("input", kind, shape)
    scores = onnx.helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, [shape[0], 3])
    nodes = [
        onnx.helper.make_node("Cast", ["input"], ["cast"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("ReduceMean", ["cast"], ["output"], axes=[1, 2], keepdims=0),
    ]
    graph = onnx.helper.make_graph(nodes, "graph", [image], [scores])
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.helper.set_model_props(model, dict(entries))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("shape", "dtype", "entries", "sentence"),
    [
        (["n", 3, 8, 8], "FLOAT", {}, r"takes \(batch, 3, 8, 8\), channels first, and does not st"),
        (["n", 8, 8, 3], "INT64", {}, r"as uint8 or float32.* takes tensor\(int64\) of shape"),
        (
            ["n", 8, 8, 3],
            "FLOAT",
            {"Image.NominalPixelRange": "Normalized_0_1"},
            r"must take pixels in \[0, 255\].* It has Image\.NominalPixelRange=Normalized_0_1",
        ),
        (["n", 8, 8, 3], "UINT8", {"Image.BitmapPixelFormat": "Bgr8"}, r"PixelFormat=Bgr8\."),
        (["n", 8, 8, 3], "UINT8", {"labels.txt": "a\nb"}, r"must name the 3 classes .* 2 names"),
    ],
)
def test_file_of_another_program_that_cannot_be_run_gives_a_clear_error(
    tmp_path, shape, dtype, entries, sentence
):
    path = foreign(tmp_path / "model.onnx", shape, dtype, entries)
    with pytest.raises(ValueError, match=sentence):
        open_model(path)


@pytest.mark.parametrize("batch", [1, 2, "n"])
def test_file_of_another_program_is_run_and_what_it_leaves_open_is_noted(tmp_path, batch):
    path = foreign(tmp_path / "model.onnx", [batch, 8, 8, 3])
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype("float32")
    classifier = load_onnx(path)

    np.testing.assert_allclose(classifier(images), images.mean(axis=(1, 2)), rtol=1e-5)
    assert classifier.gives_probabilities is None
    assert "does not state how pixels are normalised" in classifier.notes[0]
