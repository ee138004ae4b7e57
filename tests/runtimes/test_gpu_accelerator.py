"""`.tflite` files on LiteRT's GPU accelerator (WebGPU), on a GPU or on SwiftShader in software."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from keras_cabvit.cli import main
from keras_cabvit.export import to_tflite
from keras_cabvit.export.tflite.attention_biases import compact_attention_biases
from keras_cabvit.export.tflite.flatbuffer import pack, unpack
from keras_cabvit.runtimes import load_tflite, verify
from keras_cabvit.runtimes.comparison import signal_to_noise
from keras_cabvit.runtimes.gpu_accelerator import AcceleratorError, GpuAccelerator

SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
HAS_DRIVER = SWIFTSHADER.is_file() or any(
    os.environ.get(name) for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")
)
if not HAS_DRIVER and os.environ.get("KERAS_CABVIT_REQUIRE_VULKAN"):
    raise RuntimeError(f"There is no {SWIFTSHADER}: apt-get install chromium-common")

pytestmark = pytest.mark.slow
needs_driver = pytest.mark.skipif(
    not HAS_DRIVER, reason="LiteRT's GPU accelerator needs Vulkan: apt-get install chromium-common"
)

# Minimum signal-to-noise ratio against the CPU. The accelerator computes `int8` in float32, and
# does not round the activations.
DECIBELS = {"none": 80, "float16": 80, "int8": 25, "int8-static": 25}


@needs_driver
@pytest.mark.parametrize("form", DECIBELS)
def test_accelerator_takes_every_operation_and_gives_the_scores_of_the_cpu(tflite_files, form):
    images = tiny_models.patterned_images((64, 64, 3), 5, seed=1)
    expected = load_tflite(tflite_files[form])(images)
    with GpuAccelerator(tflite_files[form]) as gpu:
        found = load_tflite(tflite_files[form], run=gpu)(images)
        taken, left = gpu.operations()
        assert gpu.errors() == gpu.reasons == ()

    assert left == {}
    assert taken["BATCH_MATMUL"] == 10
    assert sum(taken.values()) > 300
    assert found.argmax(axis=1).tolist() == list(range(5))
    assert signal_to_noise(expected, found) > DECIBELS[form]


@needs_driver
def test_command_fails_if_the_accelerator_gives_other_scores(
    trained_hybrid, tflite_files, tmp_path, capsys
):
    """It says that it takes all of `int8-full`, raises nothing, and returns other scores."""
    trained_hybrid.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", images=tiny_models.patterned_images((64, 64, 3), 5))
    words = ["verify", tflite_files["int8-full"], "--against", tmp_path / "model.keras"]
    words += ["--data", tmp_path / "data.npz", "--rounds", 1, "--accelerator", "gpu"]
    status = main([str(word) for word in words])
    printed = capsys.readouterr()

    assert status == 1
    assert "are not those of the CPU: their signal-to-noise ratio is" in printed.err
    assert "It takes 358 of 358 operations: " in printed.out
    assert "It reported an error: Validation error: Error while parsing WGSL" in printed.out
    assert "XNNPACK" not in printed.out


@pytest.fixture(scope="module")
def small_files(tmp_path_factory):
    """A function that writes a .tflite file of a function of TensorFlow, and returns its path."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("small")

    def write(name, function, change=None):
        image = tf.TensorSpec((1, 16, 16, 4), tf.float32, name="image")
        graph = tf.function(function, input_signature=[image]).get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([graph], graph)
        path = folder / f"{name}.tflite"
        content = unpack(converter.convert())
        if change is not None:
            change(content)
        path.write_bytes(pack(content))
        return path

    return write


@needs_driver
def test_operations_that_the_accelerator_leaves_are_counted_and_explained(small_files, tmp_path):
    import keras
    import tensorflow as tf

    def function(x):
        x = x * 0.5
        x = tf.nn.local_response_normalization(x)
        return tf.reduce_mean(tf.nn.gelu(tf.nn.softmax(x * 0.25)), [1, 2])

    path = small_files("partial", function)
    image = keras.Input((16, 16, 4))
    x = keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(image))
    keras.Model(image, x).save(tmp_path / "m.keras")
    images = tiny_models.patterned_images((16, 16, 4), 3)
    ran = verify(path, tmp_path / "m.keras", images, rounds=1, accelerator="gpu").acceleration

    assert ran.taken == {"MUL": 1, "SOFTMAX": 1, "GELU": 1, "MEAN": 1}
    assert ran.left == {"MUL": 1, "LOCAL_RESPONSE_NORMALIZATION": 1}
    assert ran.reasons == ("LOCAL_RESPONSE_NORMALIZATION: Operation is not supported.",)
    assert ran.signal_to_noise > 80
    assert ran.is_software == ("SwiftShader" in ran.adapter)


@needs_driver
def test_refused_file_gives_the_reason_and_the_operations(small_files):
    import tensorflow as tf

    def function(x):
        x = tf.reshape(x, (1, 2, 16, 32))
        maps = tf.matmul(x, 0.5 * x, transpose_b=True)  # (1, heads, tokens, tokens)
        bias = np.random.default_rng(0).standard_normal((2, 16, 16)).astype("float32")
        return tf.reduce_mean(tf.nn.softmax(maps + bias), [1, 2])

    # Without a batch axis, as the files of earlier versions.
    path = small_files("rank_3", function, lambda model: compact_attention_biases(model, "int8"))
    with pytest.raises(AcceleratorError) as raised:
        GpuAccelerator(path)
    assert f"LiteRT's GPU accelerator (WebGPU) refuses {path}. It says: " in str(raised.value)
    assert "Shape mismatch: {bhwc, {2, 1, 16, 16}}" in str(raised.value)
    assert str(raised.value).endswith("Tried one by one, it refuses 1 ADD.")


@needs_driver
def test_crash_of_the_accelerator_is_an_error_of_the_command(small_files, tmp_path, capsys):
    import tensorflow as tf

    def function(x):
        x = tf.reshape(x, (1, 2, 16, 32))
        return tf.reduce_mean(tf.matmul(x, x, transpose_b=True), [1, 2])  # of x with itself

    path = small_files("crash", function)
    model = tiny_models.pattern_classifier()
    model.save(tmp_path / "model.keras")
    words = ["verify", path, "--against", tmp_path / "model.keras", "--data", "none.npz"]
    status = main([str(word) for word in [*words, "--accelerator", "gpu"]])

    assert status == 1
    printed = capsys.readouterr().err
    assert "LiteRT's GPU accelerator (WebGPU) ends with " in printed
    assert f" on {path}. It says: Check failed: " in printed


def test_missing_driver_gives_what_to_install(tflite_files, monkeypatch):
    monkeypatch.setenv("VK_ICD_FILENAMES", "/nowhere/driver.json")
    with pytest.raises(AcceleratorError, match=r"finds no GPU.* apt-get install chromium-common"):
        GpuAccelerator(tflite_files["none"])


def test_saved_model_is_refused(tmp_path):
    tiny_models.pattern_classifier().save(tmp_path / "model.keras")
    images = np.zeros((1, 64, 64, 3), "uint8")
    for accelerator, sentence in [("gpu", "runs .tflite files"), ("tpu", "must be one of")]:
        with pytest.raises(ValueError, match=sentence):
            verify(tmp_path, tmp_path / "model.keras", images, accelerator=accelerator)


@needs_driver
def test_json_has_no_infinity(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("keras_cabvit.runtimes.comparison.signal_to_noise", lambda *_: np.inf)
    model = tiny_models.pattern_classifier()
    model.save(tmp_path / "model.keras")
    to_tflite(model, tmp_path / "m.tflite", quantization="none")
    np.savez(tmp_path / "data.npz", images=tiny_models.patterned_images((64, 64, 3), 5))
    words = ["verify", tmp_path / "m.tflite", "--against", tmp_path / "model.keras", "--json"]
    words += ["--data", tmp_path / "data.npz", "--rounds", 1, "--accelerator", "gpu"]
    assert main([str(word) for word in words]) == 0
    assert json.loads(capsys.readouterr().out)["acceleration"]["signal_to_noise"] is None
