import numpy as np
import pytest
import tiny_models
from ai_edge_litert.interpreter import Interpreter

from keras_cabvit.export import load_tflite, tflite

# Largest difference of a probability. float16 has 11 bits for a weight, int8 has 8 for a whole row.
TOLERANCES = {"none": 1e-5, "float16": 2e-3, "int8": 6e-2}


@pytest.mark.parametrize("quantization", TOLERANCES)
def test_file_gives_what_the_model_gives(tiny_hybrid, tmp_path, quantization):
    path = tflite(tiny_hybrid, tmp_path / "model.tflite", quantization=quantization)
    images = tiny_models.images(tiny_hybrid, batch=4).astype("uint8")

    expected = tiny_models.outputs(tiny_hybrid, images)
    np.testing.assert_allclose(load_tflite(path)(images), expected, atol=TOLERANCES[quantization])


def test_plain_model_gives_the_same_as_a_file(tiny_plain, tmp_path):
    path = tflite(tiny_plain, tmp_path / "model.tflite", quantization="none")
    images = tiny_models.images(tiny_plain).astype("uint8")

    expected = tiny_models.outputs(tiny_plain, images)
    np.testing.assert_allclose(load_tflite(path)(images), expected, atol=1e-5)


def test_fewer_bits_make_a_smaller_file(tmp_path):
    model = tiny_models.hybrid(embed_dims=(16, 32, 64, 128))
    none, float16, int8 = (
        tflite(model, tmp_path / f"{quantization}.tflite", quantization=quantization).stat().st_size
        for quantization in ("none", "float16", "int8")
    )

    weight_bytes = 4 * model.count_params()
    assert none - float16 > 0.4 * weight_bytes
    assert none - int8 > 0.6 * weight_bytes


def test_input_is_one_uint8_image_of_that_name(tiny_hybrid, tmp_path):
    path = tflite(tiny_hybrid, tmp_path / "model.tflite")
    interpreter = Interpreter(model_path=str(path))
    (signature,) = interpreter.get_signature_list().values()
    (details,) = interpreter.get_input_details()

    assert signature == {"inputs": ["image"], "outputs": ["probabilities"]}
    assert details["dtype"] is np.uint8
    assert details["shape"].tolist() == [1, 64, 64, 3]


@pytest.mark.parametrize(
    ("name", "quantization", "argument"),
    [("model.tflite", "int4", "quantization"), ("model.lite", "int8", "path")],
)
def test_wrong_argument_is_named_and_an_earlier_file_kept(
    tiny_hybrid, tmp_path, name, quantization, argument
):
    path = tmp_path / name
    path.write_bytes(b"earlier")

    with pytest.raises(ValueError, match=f"`{argument}` must"):
        tflite(tiny_hybrid, path, quantization=quantization)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.tflite file"):
        load_tflite(tmp_path / "model.tflite")


def operations(path):
    """Returns the names of a file's operations, and how many pieces the delegate runs."""
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    names = [operation["op_name"] for operation in interpreter._get_ops_details()]
    return [name for name in names if name != "DELEGATE"], names.count("DELEGATE")


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """A model whose position biases are worth storing in int8, and its files."""
    model = tiny_models.filled(tiny_models.hybrid(input_shape=(128, 128, 3)))
    folder = tmp_path_factory.mktemp("larger")
    return model, {
        quantization: tflite(model, folder / f"{quantization}.tflite", quantization=quantization)
        for quantization in ("none", "int8")
    }


def test_position_biases_are_int8_in_an_int8_file(larger):
    model, files = larger
    # 64 tokens, 2 heads; three blocks with 0, 1 and 2 blocks' 4 digest tokens.
    values = sum(2 * 64 * (64 + 4 * block) for block in range(3))
    kernels = sum(
        layer.kernel.shape.num_elements()
        for layer in model._flatten_layers()
        if type(layer).__name__ in ("Dense", "Conv2D")
    )
    operators, _ = operations(files["int8"])
    saved = files["none"].stat().st_size - files["int8"].stat().st_size

    assert operators.count("DEQUANTIZE") == 3
    assert "DEQUANTIZE" not in operations(files["none"])[0]
    assert saved == pytest.approx(3 * (values + kernels), rel=0.15)


def test_int8_file_gives_nearly_what_the_model_gives(larger):
    model, files = larger
    images = tiny_models.images(model, batch=4).astype("uint8")

    found = load_tflite(files["int8"])(images)
    np.testing.assert_allclose(found, tiny_models.outputs(model, images), atol=6e-2)


@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_delegate_takes_all_in_one_piece(larger, quantization):
    _, files = larger
    operators, pieces = operations(files[quantization])

    assert pieces <= 2
    assert "CUSTOM" not in operators


def test_no_depthwise_kernel_is_larger_than_the_fast_ones(larger):
    _, files = larger
    interpreter = Interpreter(model_path=str(files["none"]))
    tensors = {details["index"]: details for details in interpreter.get_tensor_details()}
    kernels = [
        tensors[operation["inputs"][1]]["shape"][1:3].tolist()
        for operation in interpreter._get_ops_details()
        if operation["op_name"] == "DEPTHWISE_CONV_2D"
    ]

    assert [3, 7] in kernels
    assert max(height * width for height, width in kernels) <= 25
