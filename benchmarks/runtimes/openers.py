"""A runtime that opens an export: `python -m benchmarks.runtimes.openers RUNTIME FILE REQUEST`.

Each runs in a process of its own, because some abort it. Each function returns a function from
uint8 images (batch, height, width, 3) to probabilities (batch, classes).
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.runtimes.forms import BATCHES, ONE_BY_ONE
from keras_cabvit.runtimes import load_onnx, load_saved_model, load_tflite
from keras_cabvit.runtimes.gpu_accelerator import GpuAccelerator

_C_API = Path(__file__).parents[2] / "tests" / "export" / "run_with_c_api.py"


def tensorflow(path):
    """TensorFlow in Python."""
    return load_saved_model(path)


def tensorflow_c_api(path):
    """TensorFlow's C API, as in a server, in yet another process per call."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    folder = Path(tf.__file__).parent
    content = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    signature = content.meta_graphs[0].signature_def["serving_default"]
    names = signature.inputs["image"].name, signature.outputs["probabilities"].name

    def run(images):
        with tempfile.TemporaryDirectory() as temporary:
            source, target = Path(temporary) / "in.npy", Path(temporary) / "out.npy"
            np.save(source, images)
            command = [sys.executable, _C_API, folder, path, *names, source, target]
            process = subprocess.run(command, capture_output=True, text=True)
            if process.returncode:
                raise RuntimeError(process.stderr.strip().splitlines()[-1])
            return np.load(target)

    return run


def litert(path):
    """LiteRT on the CPU (ai-edge-litert)."""
    return load_tflite(path)


def litert_gpu(path):
    """LiteRT's GPU accelerator (WebGPU), in software unless there is a GPU."""
    return load_tflite(path, run=GpuAccelerator(path))


def mediapipe(path):
    """MediaPipe's ImageClassifier in Python, as an Android app calls it."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(BaseOptions(model_asset_path=str(path)))
    classifier = vision.ImageClassifier.create_from_options(options)

    def run(images):
        rows = []
        for pixels in images:
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(pixels))
            categories = classifier.classify(image).classifications[0].categories
            row = np.zeros(len(categories), "float32")
            for category in categories:
                row[category.index] = category.score
            rows.append(row)
        return np.stack(rows)

    return run


def onnxruntime(path):
    """Onnxruntime on the CPU."""
    return load_onnx(path)


def openvino(path, **options):
    """OpenVINO on the CPU, in float32; `options` are properties of its compiled model."""
    import openvino as ov

    core = ov.Core()
    model = ov.convert_model(path) if path.is_dir() else core.read_model(path)
    options = {"INFERENCE_PRECISION_HINT": "f32", **options}
    compiled = core.compile_model(model, "CPU", options)
    kind = compiled.input(0).element_type.to_dtype()

    def run(images):
        (scores,) = compiled(images.astype(kind)).values()
        # A file of integers alone gives probabilities in steps of 1/256.
        return scores / 256 if np.issubdtype(scores.dtype, np.integer) else scores

    return run


RUNTIMES = {
    "TensorFlow": tensorflow,
    "TensorFlow C API": tensorflow_c_api,
    "LiteRT": litert,
    "LiteRT GPU (software)": litert_gpu,
    "MediaPipe": mediapipe,
    "onnxruntime": onnxruntime,
    "OpenVINO": openvino,
}

# A call is a process, or the processor in a GPU's place.
UNTIMED = ("TensorFlow C API", "LiteRT GPU (software)")


def in_batches(run, images, one_by_one):
    """Returns the probabilities of all images, given in batches of several sizes."""
    sizes = [1] * len(images) if one_by_one else BATCHES
    ends = np.cumsum(sizes)
    parts = [run(images[end - size : end]) for end, size in zip(ends, sizes, strict=True)]
    return np.concatenate(parts)


def main(runtime, path, images, scores):
    """Opens a file, writes its probabilities, and prints the milliseconds of one image."""
    pixels = np.load(images)
    run = RUNTIMES[runtime](Path(path))
    found = in_batches(run, pixels, one_by_one=path.endswith(ONE_BY_ONE))
    np.save(scores, found)
    times = []
    if runtime not in UNTIMED:
        for _ in range(20):
            start = time.perf_counter()
            run(pixels[:1])
            times.append(time.perf_counter() - start)
    print(json.dumps({"milliseconds": 1000 * float(np.median(times)) if times else None}))


if __name__ == "__main__":
    main(*sys.argv[1:])
