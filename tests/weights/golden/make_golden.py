"""Creates the golden files: `python tests/weights/golden/make_golden.py FOLDER`.

It ran once, before the first release, with keras 3.15.1 on TensorFlow 2.21; its files are beside
it. They are never regenerated: `test_golden_weights.py` proves that every later version reads the
files that the first one wrote. A change that breaks this test breaks all users' files.

The weights are not trained. Each is drawn by a rule from a generator that NumPy keeps frozen
(`RandomState`), seeded with the weight's index in `model.weights`.
"""

import json
import math
import sys
from pathlib import Path

import keras
import numpy as np

import keras_cabvit

# Grids with different heights and widths, two rows of digest tokens, and in the plain model a block
# with more blocks before it than it attends to. HDF5 takes 2 kB per weight, however small.
MODELS = {
    "cabvit_h": {
        "embed_dims": [2, 3, 4, 6],
        "depths": [1, 1, 2, 1],
        "num_heads": [2, 3],
        "input_shape": [96, 64, 3],
        "classes": 4,
    },
    "cabvit_p": {
        "embed_dim": 6,
        "depth": 4,
        "num_heads": 3,
        "max_digests": 2,
        "patch_size": 4,
        "input_shape": [24, 16, 3],
        "classes": 4,
    },
}
BUILDERS = {"cabvit_h": keras_cabvit.CabViTH, "cabvit_p": keras_cabvit.CabViTP}
INPUT_SEED = 2022


def weight_value(place, shape, name):
    """Returns the value of the weight at `place`; all values affect the outputs."""
    random = np.random.RandomState(place)
    normal = random.standard_normal(shape)
    if name == "moving_variance":
        return 0.2 + 0.5 * random.uniform(size=shape)
    if name == "gamma":
        return 1 + 0.3 * normal
    if name == "kernel":
        inputs = math.prod(shape[:2] if shape[-1] == 1 else shape[:-1])  # 1: a depthwise kernel
        return 1.5 * normal / math.sqrt(inputs)
    if name == "digest_scale":  # after LayerNorm only its sign matters
        return np.reshape((-1.0) ** np.arange(math.prod(shape)), shape) * (0.5 + np.abs(normal))
    return 0.5 * normal


def images(shape, seed=INPUT_SEED):
    """Returns two images of that (height, width, channels): squares of 8x8 pixels in [0, 255]."""
    height, width, channels = shape
    squares = np.random.RandomState(seed).uniform(0, 255, (2, height // 8, width // 8, channels))
    return np.kron(squares, np.ones((1, 8, 8, 1))).astype("float32")


def main(folder):
    """Writes the weights files and `golden.json`."""
    golden = {}
    for name, arguments in MODELS.items():
        model = BUILDERS[name](**arguments, classifier_activation=None)
        for place, weight in enumerate(model.weights):
            weight.assign(weight_value(place, weight.shape, weight.path.rsplit("/")[-1]))
        path = folder / f"{name}.weights.h5"
        model.save_weights(path)
        # The plain model's logits do not depend on the last block's patch tokens; their mean does.
        pooled = BUILDERS[name](**arguments, include_top=False, pooling="avg", weights=path)
        pixels = images(arguments["input_shape"])
        golden[name] = {
            "arguments": arguments,
            "input_seed": INPUT_SEED,
            "logits": keras.ops.convert_to_numpy(model(pixels)).tolist(),
            "pooled_features": keras.ops.convert_to_numpy(pooled(pixels)).tolist(),
        }
    (folder / "golden.json").write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
