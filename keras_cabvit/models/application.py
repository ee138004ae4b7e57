"""The contract of `keras.applications`, shared by the builders: arguments, input and head."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from keras_cabvit.layers.numpy_arguments import is_positive_integer
from keras_cabvit.models.arguments import check_positive_integers
from keras_cabvit.models.preprocessing import normalization
from keras_cabvit.models.sized_model import CabViTModel
from keras_cabvit.paths import local_path
from keras_cabvit.weights import PRETRAINED, describe_hdf5, load_weights

DEFAULT_INPUT_SHAPE = (224, 224, 3)


@dataclass(frozen=True)
class Application:
    """The arguments that every `keras.applications` model takes, checked together.

    Attributes:
        size_multiple: integer of which an image's height and width must be multiples.
        poolings: values that the family accepts as `pooling`.
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
            include_preprocessing, dtype, windowed: as the builders document them.

    Raises:
        ValueError: an argument is wrong, or two are incompatible.
    """

    size_multiple: int
    poolings: tuple[str | None, ...]
    include_top: bool
    weights: str | os.PathLike | None
    input_tensor: Any
    input_shape: tuple[int, int, int] | None
    pooling: str | None
    classes: int
    classifier_activation: str | Callable | None
    include_preprocessing: bool
    dtype: Any = None
    windowed: bool | int = False

    def __post_init__(self):
        """Checks everything that can be checked before a layer is created."""
        self._check_weights()
        self._check_top()
        self._check_shape(self._shape())

    def _check_weights(self):
        if self.weights is None:
            return
        if isinstance(self.weights, str) and self.weights in PRETRAINED:
            raise ValueError(
                f'`weights="{self.weights}"` belongs to the named variants, such as '
                "keras_cabvit.CabViTH_T; a model of any other size takes None or the path of a "
                "weights file."
            )
        if not (
            isinstance(self.weights, (str, os.PathLike))
            and local_path(self.weights, "weights").is_file()
        ):
            raise ValueError(
                '`weights` must be None, "imagenet" or "tiny_imagenet" (for a named variant), or '
                "the path of a weights file, and there is no such file. "
                f"Received: weights={str(self.weights)!r}"
            )
        if not str(self.weights).endswith((".weights.h5", ".keras")):
            description = describe_hdf5(self.weights)
            raise ValueError(
                "`weights` must be the path of a file that ends in .weights.h5 or .keras. "
                + (f"{description} " if description else "")
                + "Convert a PyTorch checkpoint to one with `cabvit convert`. "
                f"Received: weights={str(self.weights)!r}"
            )

    def _check_top(self):
        if self.pooling not in self.poolings:
            raise ValueError(
                f"`pooling` must be one of {self.poolings}. Received: pooling={self.pooling!r}"
            )
        if self.include_top and self.pooling is not None:
            raise ValueError(
                "`pooling` applies only to features, without the classifier: pass "
                "include_top=False, or pooling=None. "
                f"Received: include_top=True, pooling={self.pooling!r}"
            )
        check_positive_integers(classes=self.classes)
        check_classifier_activation(self.classifier_activation, self.weights)

    def _shape(self):
        if self.input_tensor is None:
            return self.input_shape or DEFAULT_INPUT_SHAPE
        if not isinstance(self.input_tensor, keras.KerasTensor):
            raise ValueError(
                "`input_tensor` must be a Keras tensor, such as keras.Input((224, 224, 3)). "
                f"Received: input_tensor of type {type(self.input_tensor).__name__}"
            )
        shape = tuple(self.input_tensor.shape[1:])
        if self.input_shape is not None and tuple(self.input_shape) != shape:
            raise ValueError(
                "`input_shape` and `input_tensor` must agree if both are given. Received: "
                f"input_shape={self.input_shape} and an input_tensor of shape "
                f"{tuple(self.input_tensor.shape)}"
            )
        return shape

    def _check_shape(self, shape):
        if not isinstance(shape, (list, tuple)) or len(shape) != 3:
            raise ValueError(
                "`input_shape` must be (height, width, channels), without the batch dimension. "
                f"Received: input_shape={shape}"
            )
        *sides, channels = shape
        if None in sides and not self.windowed:
            raise ValueError(
                "`input_shape` must give height and width as integers: the model learns one value "
                "per position, so it is built for one size. A hybrid model takes images of any "
                f"size with windowed=True. Received: input_shape={shape}"
            )
        known = [side for side in sides if side is not None]
        if not all(map(is_positive_integer, (*known, channels))):
            raise ValueError(
                "`input_shape` must be three positive `int`s, (height, width, channels). "
                f"Received: input_shape={shape}"
            )
        if any(side % self.size_multiple for side in known):
            nearest = "x".join(str(self._nearest(side)) for side in known)
            raise ValueError(
                f"`input_shape` must have a height and width that are multiples of "
                f"{self.size_multiple}, such as {nearest}. Received: input_shape={shape}"
            )
        if self.include_preprocessing and channels != 3:
            raise ValueError(
                "`input_shape` must have 3 channels (red, green, blue) for the model to normalise "
                "pixels; pass include_preprocessing=False for other images. "
                f"Received: input_shape={shape}"
            )

    def _nearest(self, size):
        return max(1, round(size / self.size_multiple)) * self.size_multiple

    def images(self):
        """Returns the images as the stem takes them: normalised, channels last."""
        x = self.input_tensor
        if x is None:
            x = keras.Input(self._shape(), name="image")
        if self.include_preprocessing:
            x = normalization(name="normalization", dtype=self._variable_dtype())(x)
        return x

    def _variable_dtype(self):
        return keras.dtype_policies.get(self.dtype).variable_dtype

    def model(self, images, features, drop_rate, name):
        """Returns the model from the images to the features, and the classifier if requested.

        Args:
            images: tensor that `images()` returned.
            features: tensor (batch, channels) with the classifier, of any shape without it.
            drop_rate: float, rate of the dropout before the classifier.
            name: string, the model's name.
        """
        x = features
        if self.include_top:
            if drop_rate:
                x = keras.layers.Dropout(drop_rate, name="head_dropout", dtype=self.dtype)(x)
            x = keras.layers.Dense(
                self.classes,
                activation=self.classifier_activation,
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
                # In half precision, probabilities would have ties and a sum other than 1.
                dtype=self._variable_dtype(),
                name="predictions",
            )(x)
        inputs = keras.utils.get_source_inputs(
            images if self.input_tensor is None else self.input_tensor
        )
        # A single input is passed bare, not in a list, so that `model.input` is a tensor.
        model = CabViTModel(inputs[0] if len(inputs) == 1 else inputs, x, name=name)
        if self.weights is not None:
            load_weights(model, self.weights)
        return model


def check_classifier_activation(classifier_activation, weights):
    """Raises a ValueError if the activation is unknown, or is not that of trained weights.

    Args:
        classifier_activation: an activation, its name, or None.
        weights: as for the builders; None for random values.
    """
    allowed = (keras.activations.get("softmax"), keras.activations.get(None))
    try:
        activation = keras.activations.get(classifier_activation)
    except ValueError as error:
        raise ValueError(
            '`classifier_activation` must be a Keras activation, such as "softmax", or None. '
            f"Received: classifier_activation={classifier_activation!r}"
        ) from error
    if weights is not None and activation not in allowed:
        raise ValueError(
            '`classifier_activation` must be "softmax" or None when `weights` are loaded, because '
            "they were trained with it. "
            f"Received: classifier_activation={classifier_activation!r}"
        )
