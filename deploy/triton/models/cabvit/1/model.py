"""Classifies image files with an .onnx file of `cabvit export onnx`, in Triton's Python backend.

It needs onnxruntime, numpy and Pillow, and model.onnx beside this file. Size, crop and labels are
those stated in the file.
"""

import io
import json
import math
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton
from PIL import Image, UnidentifiedImageError

TOP = 5
# Pixels of a resized image; of a strip it could have a million times as many.
LARGEST_RESIZED = 50_000_000
# EXIF's tag of the orientation, and what turns each of its values the right way up.
ORIENTATION = 0x0112
TURNS = dict(
    zip(
        range(2, 9),
        (
            Image.Transpose.FLIP_LEFT_RIGHT,
            Image.Transpose.ROTATE_180,
            Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE,
            Image.Transpose.ROTATE_270,
            Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_90,
        ),
        strict=True,
    )
)


class TritonPythonModel:
    """The model, under the name that Triton looks for."""

    def initialize(self, args):
        """Loads model.onnx of this version."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        stated = self._session.get_modelmeta().custom_metadata_map
        transform = json.loads(stated["evaluation_transform.json"])
        self._size, self._crop = transform["image_size"], transform["evaluation_crop"]
        self._gives_logits = stated["scores"] == "logits"
        # One name per line; `splitlines` also splits at characters that a name may have.
        labels = stated.get("labels.txt")
        self._labels = None if labels is None else labels.removesuffix("\n").split("\n")

    def execute(self, requests):
        """Answers all requests of a batch: an unreadable file gets a status and scores of zero."""
        contents = [
            triton.get_input_tensor_by_name(request, "image_bytes").as_numpy().reshape(-1)
            for request in requests
        ]
        pixels, status = zip(*map(self._read, np.concatenate(contents)), strict=True)
        (scores,) = self._session.run(None, {"image": np.stack(pixels)})
        if self._gives_logits:
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores /= scores.sum(axis=1, keepdims=True)
        classes = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        scores = np.take_along_axis(scores, classes, axis=1)
        names = classes.astype(str) if self._labels is None else np.array(self._labels)[classes]
        failed = np.array([bool(reason) for reason in status])
        scores[failed], names[failed] = 0, ""

        ends = np.cumsum([len(each) for each in contents])[:-1]
        answers = zip(
            np.split(np.char.encode(names, "utf-8").astype(object), ends),
            np.split(scores.astype("float32"), ends),
            np.split(np.array([[text.encode()] for text in status], object), ends),
            strict=True,
        )
        return [
            triton.InferenceResponse(
                [
                    triton.Tensor("labels", labels),
                    triton.Tensor("scores", values),
                    triton.Tensor("status", reasons),
                ]
            )
            for labels, values, reasons in answers
        ]

    def _read(self, content):
        """Returns the pixels of a file as in evaluation, and "" or why it cannot be read."""
        height, width = self._size
        try:
            image = _upright(content)
        except UnidentifiedImageError:
            return np.zeros((height, width, 3), np.uint8), "The bytes are not an image."
        except Exception as error:  # Pillow raises errors of many kinds
            return np.zeros((height, width, 3), np.uint8), f"The image cannot be read: {error}"
        size = whole = (width, height)
        if self._crop < 1:  # the resized image just covers size / crop, and its centre is taken
            scale = max(
                int(one / self._crop + 1e-6) / of for one, of in zip(size, image.size, strict=True)
            )
            whole = tuple(int(side * scale + 1e-6) for side in image.size)
        left, top = (round((outer - inner) / 2) for outer, inner in zip(whole, size, strict=True))
        box = (left, top, left + width, top + height)
        if math.prod(whole) > LARGEST_RESIZED:
            # Only the centre: the same up to rounding between rows and columns.
            box = [
                edge * of / to for edge, of, to in zip(box, image.size * 2, whole * 2, strict=True)
            ]
            resized = image.resize(size, Image.Resampling.BICUBIC, box)
        else:
            resized = image.resize(whole, Image.Resampling.BICUBIC).crop(box)
        return np.asarray(resized), ""


def _upright(content):
    """Returns the RGB image of a file, the right way up.

    `ImageOps.exif_transpose` writes the other tags anew, and fails for one of a wrong type.
    """
    image = Image.open(io.BytesIO(content))
    image.load()  # in a PNG file, the tags may come after the pixels
    turn = TURNS.get(image.getexif().get(ORIENTATION))
    if image.mode.startswith("I;16"):  # the upper eight bits; `convert` would cut off at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode.startswith(("I", "F")):
        raise ValueError("its pixels have more than 16 bits.")
    return (image if turn is None else image.transpose(turn)).convert("RGB")
