"""The exports of one model, and the images that they classify."""

from pathlib import Path

import numpy as np
from PIL import Image

from keras_cabvit.export import to_onnx, to_saved_model, to_tflite

_PHOTOGRAPHS = Path(__file__).parents[2] / "tests" / "photographs"
# Sizes of the batches into which images are divided where a form takes any.
BATCHES = (1, 2, 3, 8, 2)
# Largest difference of a probability from the model's in float32, from rounding weights alone.
# Forms in 8 bits are compared with LiteRT's own CPU runtime, because they are another model.
TOLERANCES = {
    "SavedModel": 1e-4,
    "SavedModel, frozen weights": 1e-4,
    "SavedModel, bfloat16": 3e-2,
    "SavedModel, bfloat16, frozen weights": 3e-2,
    "TFLite none": 1e-4,
    "TFLite float16": 2e-3,
    "TFLite int8": 5e-2,
    "TFLite int8-static": 5e-2,
    "TFLite int8-full": 1e-1,
    "ONNX": 1e-4,
    "ONNX, float input": 1e-4,
    "ONNX, one image": 1e-4,
}
# Endings of the files that take one image at a time.
ONE_BY_ONE = (".tflite", "one_image.onnx")
QUANTIZED = ("TFLite int8", "TFLite int8-static", "TFLite int8-full")


def images(size, count=None, seed=0):
    """Returns uint8 (count, *size, 3): random parts of the two photographs of the tests.

    As many as `BATCHES` hold by default.
    """
    count = sum(BATCHES) if count is None else count
    rng = np.random.default_rng(seed)
    photographs = [Image.open(path) for path in sorted(_PHOTOGRAPHS.glob("*.jpg"))]
    found = []
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        side = int(min(photograph.size) * rng.uniform(0.5, 1))
        left, top = (int(rng.integers(0, length - side + 1)) for length in photograph.size)
        part = photograph.resize(size[::-1], box=(left, top, left + side, top + side))
        found.append(np.asarray(part.convert("RGB")))
    return np.stack(found)


def export(model, labels, folder):
    """Exports a model in every form; returns a dict from its name to its path."""
    size = model.input_shape[1:3]
    options = {"labels": labels, "crop": 1.0}
    servable = {"batch_sizes": (), **options}
    made = {
        "SavedModel": to_saved_model(model, folder / "saved_model", **servable),
        "SavedModel, frozen weights": to_saved_model(
            model, folder / "frozen", frozen_weights=True, **servable
        ),
        "SavedModel, bfloat16": to_saved_model(
            model, folder / "bfloat16", precision="bfloat16", **servable
        ),
        "SavedModel, bfloat16, frozen weights": to_saved_model(
            model,
            folder / "bfloat16_frozen",
            precision="bfloat16",
            frozen_weights=True,
            **servable,
        ),
    }
    for form in ("none", "float16", "int8", "int8-static", "int8-full"):
        made[f"TFLite {form}"] = to_tflite(
            model,
            folder / f"{form}.tflite",
            quantization=form,
            calibration=images(size, 64, seed=1) if form.startswith("int8-") else None,
            **options,
        )
    made["ONNX"] = to_onnx(model, folder / "uint8.onnx", **options)
    made["ONNX, float input"] = to_onnx(
        model, folder / "float32.onnx", input_type="float32", **options
    )
    made["ONNX, one image"] = to_onnx(model, folder / "one_image.onnx", batch_size=1, **options)
    return made
