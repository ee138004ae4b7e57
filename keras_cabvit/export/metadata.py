"""Description of a model that exports to one file contain."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metadata:
    """Description of a model in its .tflite or .onnx file; it does not affect the scores.

    Attributes:
        name: string. None, the default, is the name of the Keras model.
        description: string, what the model classifies and what it was trained on.
        version: string, the model's version.
        author: string.
        license: string, the licence of the weights, such as "Apache-2.0".
    """

    name: str | None = None
    description: str = "Image classifier"
    version: str = "1"
    author: str = ""
    license: str = ""
