"""The .tflite forms: their scores, their contents, and their share in LiteRT's fast kernels."""

import collections
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny_models
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tiny_models import DECIBELS

from keras_cabvit.export import to_tflite
from keras_cabvit.export.tflite.flatbuffer import unpack
from keras_cabvit.inference import FusedCrossBlockAttention, fuse
from keras_cabvit.runtimes import load_tflite
from keras_cabvit.runtimes.comparison import signal_to_noise
from keras_cabvit.runtimes.delegation import delegation

# Recorded from the files of an earlier implementation.
RECORD = json.loads(Path(__file__).with_name("tflite_record.json").read_text())

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(trained_hybrid):
    """The trained model without a softmax, which would hide the loss."""
    return trained_hybrid


@pytest.fixture(scope="module")
def images(model):
    return tiny_models.patterned_images(model.input_shape[1:], 40, seed=1)


@pytest.fixture(scope="module")
def files(tflite_files):
    """The model's file in every form."""
    return tflite_files


@pytest.mark.parametrize("quantization", DECIBELS)
def test_file_gives_the_scores_of_the_model(model, files, images, quantization):
    expected = tiny_models.outputs(model, images.astype("float32"))
    found = load_tflite(files[quantization]).scores(images)

    assert signal_to_noise(expected, found) > DECIBELS[quantization]
    assert found.argmax(axis=1).tolist() == [0, 1, 2, 3, 4] * 8


@pytest.mark.parametrize("quantization", DECIBELS)
def test_file_has_the_recorded_operations(files, quantization):
    assert recorded(files[quantization]) == RECORD[quantization]


def recorded(path):
    """Returns the operations by kind, the bytes of constants, and the division by XNNPACK."""
    interpreter = Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    divided = delegation(path)
    buffers = unpack(path.read_bytes()).buffers
    return {
        "operations": collections.Counter(
            operation["op_name"] for operation in interpreter._get_ops_details()
        ),
        # Besides the weights it holds a few descriptions, in bytes.
        "constants": pytest.approx(
            sum(len(buffer.data) for buffer in buffers if buffer.data is not None), abs=100
        ),
        "delegated": divided.nodes,
        "left_out": divided.left_out,
    }


@pytest.fixture(scope="module")
def plain_int8(tiny_plain, tmp_path_factory):
    """The plain model's file in the default form."""
    return to_tflite(tiny_plain, tmp_path_factory.mktemp("plain") / "model.tflite")


@pytest.mark.parametrize(("quantization", "decibels"), [("int8", 25), ("int8-static", 20)])
def test_plain_model_is_quantised(tiny_plain, plain_int8, tmp_path, quantization, decibels):
    images = tiny_models.patterned_images(tiny_plain.input_shape[1:], 20)
    path = plain_int8
    if quantization == "int8-static":
        path = to_tflite(
            tiny_plain, tmp_path / "m.tflite", quantization="int8-static", calibration=images
        )

    expected = tiny_models.outputs(tiny_plain, images.astype("float32"))
    assert signal_to_noise(expected, load_tflite(path)(images)) > decibels
    assert delegation(path).nodes == 1
    if quantization == "int8":
        assert recorded(path) == RECORD["plain, int8"]


def test_dark_calibration_images_do_not_change_the_pixel_range(tmp_path):
    model = tiny_models.pattern_classifier(activation=None)
    dark = tiny_models.patterned_images((64, 64, 3), 40, seed=2) // 3
    path = to_tflite(
        model, tmp_path / "model.tflite", quantization="int8-full", calibration=dark[:32]
    )
    (pixels,) = Interpreter(model_path=str(path)).get_input_details()

    assert pixels["quantization"] == (1.0, 0)
    expected = tiny_models.outputs(model, dark.astype("float32"))
    assert signal_to_noise(expected, load_tflite(path).scores(dark)) > 15


@pytest.mark.parametrize(
    "first",
    [
        lambda image: image[..., ::-1],
        keras.layers.ZeroPadding2D(((0, 0), (0, 0))),
        keras.layers.MaxPooling2D(1),
        keras.layers.Resizing(64, 64),
        lambda image: keras.ops.concatenate([image, image], axis=1)[:, ::2],
        lambda image: keras.ops.pad(image, [(0, 0), (9, 0), (0, 0), (0, 0)], constant_values=99)[
            :, :64
        ],
        keras.layers.Dense(
            3, kernel_initializer="identity", bias_initializer=keras.initializers.Constant(50)
        ),
        lambda image: keras.ops.minimum(image, 60),
        lambda image: keras.ops.clip(image, 20, 200),
    ],
    ids=[
        *("reversed", "padded", "pooled", "resized", "joined", "padded with 99", "dense"),
        *("minimum", "clipped"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*does not normalise pixels itself")
def test_pixels_keep_their_range_in_whatever_takes_them_first(tmp_path, first):
    image = keras.Input((64, 64, 3), name="image")
    inner = tiny_models.pattern_classifier(activation=None)
    model = keras.Model(image, inner(first(image)))
    dark = tiny_models.patterned_images((64, 64, 3), 40, seed=2) // 2
    path = to_tflite(
        model, tmp_path / "model.tflite", quantization="int8-full", calibration=dark[:32]
    )
    expected = tiny_models.outputs(model, dark.astype("float32"))
    assert signal_to_noise(expected, load_tflite(path).scores(dark)) > 15


def test_stored_biases_are_expanded_with_a_batch_axis(files):
    # 2 heads and 16 tokens; the blocks see 0, 1 and 2 digest tokens.
    assert {(1, 2, 16, 16), (1, 2, 16, 17), (1, 2, 16, 18)} <= constant_shapes(files["none"])


@pytest.mark.parametrize(("quantization", "levels"), [("none", 2048), ("int8", 254)])
def test_stored_biases_are_those_of_the_model(model, files, quantization, levels):
    stored = dequantized_constants(files[quantization])
    biases = [
        np.array(layer.bias)
        for layer in fuse(model)._flatten_layers()
        if isinstance(layer, FusedCrossBlockAttention)
    ]
    assert len(biases) == 5
    for bias in biases:
        step = np.abs(bias).max() / levels
        found = [values for values in stored if values.shape == (1, *bias.shape)]
        assert any(np.abs(values - bias).max() <= 1.01 * step for values in found)


def dequantized_constants(path):
    """Returns the values of constants that the file stores in fewer bytes, as float32."""
    model = unpack(path.read_bytes())
    types = {schema.TensorType.INT8: "int8", schema.TensorType.FLOAT16: "float16"}
    constants = []
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        tensor = model.subgraphs[0].tensors[operator.inputs[0]]
        data = model.buffers[tensor.buffer].data
        if code == schema.BuiltinOperator.DEQUANTIZE and data is not None:
            values = np.frombuffer(bytes(data), types[tensor.type]).astype("float32")
            scale = tensor.quantization.scale[0] if tensor.type == schema.TensorType.INT8 else 1
            constants.append(scale * values.reshape(tensor.shape))
    return constants


@pytest.mark.parametrize(("quantization", "decibels"), [("none", 90), ("int8", 25)])
def test_computed_biases_give_the_same_scores_and_are_not_stored(tmp_path, quantization, decibels):
    # Large enough: the converter precomputes small biases in any case.
    model = tiny_models.hybrid(
        input_shape=(256, 256, 3),
        depths=(1, 1, 2, 1),
        num_heads=(8, 8),
        classifier_activation=None,
    )
    images = tiny_models.patterned_images((256, 256, 3), 2)
    expected = tiny_models.outputs(tiny_models.filled(model), images.astype("float32"))
    path = to_tflite(
        model, tmp_path / "model.tflite", quantization=quantization, attention_bias="computed"
    )

    assert signal_to_noise(expected, load_tflite(path)(images)) > decibels
    assert delegation(path).left_out == {}
    # 8 heads and 256 tokens; the blocks see 0 and 16 digest tokens.
    assert not [shape for shape in constant_shapes(path) if shape[-2:] in [(256, 256), (256, 272)]]


@pytest.mark.parametrize("attention_bias", ["stored", "computed"])
def test_biases_in_int8_have_a_batch_axis(tiny_plain, plain_int8, tmp_path, attention_bias):
    path = plain_int8
    if attention_bias == "computed":  # the converter precomputes such small biases in any case
        path = to_tflite(tiny_plain, tmp_path / "model.tflite", attention_bias="computed")
    stored = [values.shape for values in dequantized_constants(path)]

    assert stored
    assert all(len(shape) == 4 and shape[:2] == (1, 3) for shape in stored)


def constant_shapes(path):
    model = unpack(path.read_bytes())
    return {
        tuple(map(int, tensor.shape))
        for tensor in model.subgraphs[0].tensors
        if tensor.shape is not None and model.buffers[tensor.buffer].data is not None
    }


def test_weights_and_biases_take_the_bytes_of_their_number_format(model, files):
    size = {quantization: path.stat().st_size for quantization, path in files.items()}
    # 2 heads and 16 tokens; the blocks see 0, 1 and 2 digest tokens.
    biases = sum(2 * 16 * (16 + digests) for digests in range(3))
    kernels = sum(
        layer.kernel.shape.num_elements()
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Dense) or type(layer).__name__ == "PaddedConv2D"
    )

    assert size["none"] - size["float16"] == pytest.approx(2 * model.count_params(), rel=0.15)
    assert size["none"] - size["int8"] == pytest.approx(biases + 3 * kernels, rel=0.15)


@pytest.mark.parametrize("quantization", ["none", "float16", "int8", "int8-static"])
def test_fast_kernels_run_everything_in_one_piece(files, quantization):
    divided = delegation(files[quantization])

    assert (divided.nodes, divided.left_out) == (1, {})


def test_operations_without_a_fast_kernel_are_counted(files):
    divided = delegation(files["int8-full"])

    operations = Interpreter(model_path=str(files["int8-full"]))._get_ops_details()
    activations = sum(operation["op_name"] == "GELU" for operation in operations)
    assert divided.left_out["GELU"] == activations > 0  # XNNPACK has none for int8
    assert divided.nodes > activations


def test_int8_full_holds_only_integers(files):
    interpreter = Interpreter(model_path=str(files["int8-full"]))
    types = {np.dtype(details["dtype"]).name for details in interpreter.get_tensor_details()}

    assert types <= {"int8", "uint8", "int32"}
    (image,), (scores,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (image["dtype"], scores["dtype"]) == (np.uint8, np.uint8)


@pytest.mark.parametrize("quantization", DECIBELS)
def test_input_is_one_uint8_image_named_image(files, quantization):
    interpreter = Interpreter(model_path=str(files[quantization]))
    (signature,) = interpreter.get_signature_list().values()
    (details,) = interpreter.get_input_details()

    assert signature == {"inputs": ["image"], "outputs": ["logits"]}
    assert details["dtype"] is np.uint8
    assert details["shape"].tolist() == [1, 64, 64, 3]


@pytest.mark.parametrize("quantization", ["none", "int8-static"])
def test_float_pixels_are_an_option(images, tmp_path, quantization):
    model = tiny_models.pattern_classifier(activation=None)
    path = to_tflite(
        model,
        tmp_path / "model.tflite",
        quantization=quantization,
        calibration=images,
        input_type="float32",
    )
    (details,) = Interpreter(model_path=str(path)).get_input_details()

    assert details["dtype"] is np.float32
    pixels = images.astype("float32")
    expected = tiny_models.outputs(model, pixels)
    assert signal_to_noise(expected, load_tflite(path)(pixels)) > DECIBELS[quantization]


def test_model_trained_in_mixed_precision_gives_a_file_in_float32(tmp_path):
    options = {"depth": 2, "classifier_activation": None}
    model = tiny_models.filled(tiny_models.plain(**options))
    with tiny_models.dtype_policy("mixed_bfloat16"):
        mixed = tiny_models.with_weights_of(model, tiny_models.plain(**options))
    path = to_tflite(mixed, tmp_path / "mixed.tflite", quantization="none")

    pixels = tiny_models.images(model).astype("uint8")
    expected = tiny_models.outputs(model, pixels)
    np.testing.assert_allclose(load_tflite(path)(pixels), expected, atol=1e-4)


def test_model_fused_for_bfloat16_is_refused(tmp_path):
    model = tiny_models.plain(depth=1)
    with pytest.raises(ValueError, match="Export the trained model, not the result of `fuse"):
        to_tflite(fuse(model, dtype="bfloat16"), tmp_path / "half.tflite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("default", ["float16", "float64"])
def test_default_type_of_keras_has_no_influence(tmp_path, default):
    model = tiny_models.filled(tiny_models.plain(depth=1))
    model.save(tmp_path / "model.keras")
    with tiny_models.dtype_policy(default):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        path = to_tflite(loaded, tmp_path / "model.tflite", quantization="none")

    pixels = tiny_models.images(model).astype("uint8")
    expected = tiny_models.outputs(model, pixels)
    np.testing.assert_allclose(load_tflite(path)(pixels), expected, atol=1e-4)


def test_model_in_double_precision_without_layers_of_this_library_is_refused(tmp_path):
    with tiny_models.dtype_policy("float64"):
        image = keras.Input((8, 8, 3))
        x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
        model = keras.Model(image, keras.layers.Dense(2, "softmax")(x))
    with pytest.raises(ValueError, match=r"float64.*copy its weights to the same model in float32"):
        to_tflite(model, tmp_path / "double.tflite")
    assert not list(tmp_path.iterdir())


def test_maps_are_reshaped_only_for_attention_and_digest_tokens(files):
    """Each RESHAPE is a copy, and products take maps directly."""
    interpreter = Interpreter(model_path=str(files["none"]))
    names = {details["index"]: details["name"] for details in interpreter.get_tensor_details()}
    reshaped = [
        names[operation["outputs"][0]]
        for operation in interpreter._get_ops_details()
        if operation["op_name"] == "RESHAPE"
    ]

    assert reshaped
    assert [name for name in reshaped if not re.search("attention|merge_enhancement", name)] == []


def test_no_depthwise_kernel_exceeds_the_fast_ones(files):
    interpreter = Interpreter(model_path=str(files["none"]))
    tensors = {details["index"]: details for details in interpreter.get_tensor_details()}
    kernels = [
        tensors[operation["inputs"][1]]["shape"][1:3].tolist()
        for operation in interpreter._get_ops_details()
        if operation["op_name"] == "DEPTHWISE_CONV_2D"
    ]

    assert [3, 7] in kernels
    assert max(height * width for height, width in kernels) <= 25


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"quantization": "int4"}, "`quantization` must be one of"),
        ({"name": "model.lite"}, r"`path` must end in \.tflite"),
        ({"input_type": "int8"}, "`input_type` must be one of"),
        ({"quantization": "int8-full", "input_type": "float32"}, '`input_type` must be "uint8"'),
        ({"quantization": "int8-static"}, "give a few hundred training images"),
        ({"labels": ["only one"]}, "`labels` must name the 5 classes"),
    ],
    ids=str,
)
def test_wrong_argument_is_named_and_an_earlier_file_kept(tiny_hybrid, tmp_path, options, sentence):
    path = tmp_path / options.pop("name", "model.tflite")
    path.write_bytes(b"earlier")

    with pytest.raises(ValueError, match=sentence):
        to_tflite(tiny_hybrid, path, **options)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_two_output_model_is_refused(tmp_path):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, [inputs, inputs])

    with pytest.raises(ValueError, match="one input and one output"):
        to_tflite(model, tmp_path / "model.tflite")


def test_missing_tflite_file_gives_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.tflite file"):
        load_tflite(tmp_path / "model.tflite")


def test_file_that_is_not_a_model_gives_a_clear_error(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_text("not a model")

    with pytest.raises(ValueError, match=r"model\.tflite"):
        load_tflite(path)


@pytest.mark.slow
def test_model_that_keras_quantised_gives_a_clear_error(tmp_path):
    model = tiny_models.pattern_classifier()
    model.layers[-1].quantize("int8")

    with pytest.raises(ValueError, match="'predictions' is quantised to int8 by Keras"):
        to_tflite(model, tmp_path / "model.tflite", quantization="none")
    assert not list(tmp_path.iterdir())
