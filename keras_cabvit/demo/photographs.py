"""Predictions and maps of photographs in memory, as values that JSON holds."""

import base64
import threading
from typing import Any

import numpy as np

from keras_cabvit.data.crops import check_crop
from keras_cabvit.data.image_bytes import evaluation_image_of, most_bytes
from keras_cabvit.explain import block_names, explain_image
from keras_cabvit.runtimes.opened_model import OpenedModel
from keras_cabvit.runtimes.size_and_crop import size_and_crop

TOP = 5


class Photographs:
    """Predictions of a Keras model for photographs, and what it looks at in them.

    Nothing is kept of a photograph. One is computed at a time, whatever the thread.

    Args:
        model: `OpenedModel` of a Keras model with one or more CabViT stages.
        image_size: (height, width) in pixels, for a model that takes any size.
        crop: side of the centre crop as a share of the image. None, the default, is the model's.

    Raises:
        ValueError: the model has no attention maps, or an argument is wrong.
    """

    def __init__(
        self,
        model: OpenedModel,
        image_size: tuple[int, int] | None = None,
        crop: float | None = None,
    ):
        check_crop(crop)
        self.size, self.crop, self.notes = size_and_crop(model, image_size, crop)
        self._model, self._blocks = model, block_names(model.runtime)
        self._lock = threading.Lock()
        # Compiled before the first photograph, which then takes as long as any other.
        self._classes = len(model.predict(np.zeros((1, *self.size, 3), "uint8"))[0])
        self._names = model.class_names or tuple(map(str, range(self._classes)))

    def statement(self) -> dict[str, Any]:
        """Returns what the page says of the model."""
        return {
            "name": self._model.name,
            "imageSize": list(self.size),
            "crop": self.crop,
            "classes": self._classes,
            "maps": True,
            "mostBytes": most_bytes(),
        }

    def predictions(self, encoded: bytes) -> dict[str, Any]:
        """Returns the most probable classes, and the image as the model takes it.

        Args:
            encoded: bytes of an image file.

        Raises:
            ValueError: the file cannot be read; the message is the sentence of `cabvit predict`.
        """
        with self._lock:
            pixels = evaluation_image_of(encoded, self.size, self.crop)
            probabilities = self._model.predict(pixels[None])[0]
        best = (-probabilities).argsort(kind="stable")[:TOP].tolist()
        return {
            "image": _data_address(pixels),
            "predictions": [self._prediction(probabilities, number) for number in best],
        }

    def maps(self, encoded: bytes, class_number: int) -> dict[str, Any]:
        """Returns the arrays of `explain_image` as nested lists.

        Args:
            encoded: bytes of an image file.
            class_number: integer, the class of the Grad-CAM.

        Raises:
            ValueError: there is no such class, or the file cannot be read.
        """
        if not 0 <= class_number < self._classes:
            raise ValueError(
                f"`class` must be from 0 to {self._classes - 1}. Received: {class_number}"
            )
        with self._lock:
            pixels = evaluation_image_of(encoded, self.size, self.crop).astype("float32")
            found = explain_image(self._model.runtime, pixels, class_number, self._blocks)
        return {
            "explained": {"number": class_number, "name": self._names[class_number]},
            "classToken": found.class_token,
            "rollout": _listed(found.rollout),
            "gradCam": _listed(found.grad_cam),
            "blocks": [
                {
                    "name": name,
                    "places": _listed(found.places[name]),
                    "digests": [
                        {"source": source, "places": _listed(shares)}
                        for source, shares in found.digests[name].items()
                    ],
                }
                for name in self._blocks
            ],
        }

    def _prediction(self, probabilities: np.ndarray, number: int) -> dict[str, Any]:
        return {
            "number": number,
            "name": self._names[number],
            "probability": float(probabilities[number]),
        }


def _listed(shares: np.ndarray) -> list[list[float]]:
    # Six digits are more than a screen shows.
    return [[float(f"{value:.6g}") for value in row] for row in np.asarray(shares, "float64")]


def _data_address(pixels: np.ndarray) -> str:
    import tensorflow as tf

    png = tf.io.encode_png(pixels).numpy()
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
