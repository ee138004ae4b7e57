"""The same model at another image size."""

from typing import Any, NamedTuple

import keras

from keras_cabvit.layers import CabViTStage, ConvolutionalStem, PatchEmbedding
from keras_cabvit.layers.flatten_layers import flatten_layers
from keras_cabvit.layers.inference_form import is_inference_form
from keras_cabvit.layers.own_call import check_no_own_call
from keras_cabvit.weights.stored_sizes import TOKEN_PIXELS
from keras_cabvit.weights.transfer import CLASSIFIER, transfer_weights

_HYBRID_MULTIPLE = 32  # pixels per token of the last stage
_ON_GRID = ("CrossBlockAttention", "TokenMergeEnhancement")


def resized_model(model: keras.Model, image_size: tuple[int, int]) -> keras.Model:
    """Returns a model for images of another size, with the weights resampled.

    Args:
        model: a model of this library, or a functional model that contains its layers directly.
        image_size: (height, width) in pixels; multiples of 32, or of a plain model's patch.

    Returns:
        A new `keras.Model`; `model` itself if it has this size. Of a class whose config does not
        hold its layers, such as one of KerasHub's, it is a plain functional model.

    Raises:
        ValueError: the size does not suit the model, or the model is another one or has layers of
            its own that fit one size only; or its class has a `call` of its own, and a config that
            does not hold its layers.

    Example:
        >>> model = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3), classes=10)
        >>> keras_cabvit.weights.resized_model(model, (96, 128)).input_shape
        (None, 96, 128, 3)
    """
    height, width = image_size
    multiple = size_multiple(model)
    first = image_layer(model)
    if first is not None and first.input.shape[1:3] != model.input_shape[1:3]:
        raise ValueError(
            f"Model '{model.name}' resizes its images to {first.input.shape[1:3]} itself, in "
            "layers before its first one of this library: build it for another size, and load "
            "its weights with `keras_cabvit.weights.load_weights`."
        )
    if not all(isinstance(side, int) and side > 0 and side % multiple == 0 for side in image_size):
        raise ValueError(
            f"`image_size` must be (height, width), both multiples of {multiple}. "
            f"Received: image_size={image_size}"
        )
    if tuple(model.input_shape[1:3]) == (height, width):
        return model
    if "layers" not in model.get_config():
        check_no_own_call(model)  # the copy would lack it
    resized = counterpart(model, (height, width))
    transfer_weights(resized, model)
    return resized


def counterpart(
    model: keras.Model,
    image_size: tuple[int, int],
    channels: int | None = None,
    classes: int | None = None,
    without_windows: bool = False,
) -> keras.Model:
    """Builds a model with the same layers for other images or classes, with random weights.

    Args:
        model: a functional model that contains this library's layers directly.
        image_size: (height, width) in pixels.
        channels: integer, channels of the images; None is the model's.
        classes: integer, classes of the layer "predictions", if there is one; None is the model's.
        without_windows: whether stages of the new model attend to all tokens. Their weights are
            the same for images of one window.

    Raises:
        ValueError: the layers cannot be put together at this size.
    """
    shape = (*image_size, channels or model.input_shape[-1])
    old_shape = tuple(model.input_shape[1:])
    if "layers" not in model.get_config():  # a class with arguments of its own, as of KerasHub
        model = keras.Model(model.input, model.output, name=model.name)
    config = _changed(model.get_config(), old_shape, shape, classes, without_windows)
    try:
        built = type(model).from_config(config)
        if tuple(built.input_shape[1:]) != shape:
            raise ValueError(f"It takes {built.input_shape[1:]}.")
        return built
    except Exception as error:  # layers of the user's own may raise anything
        raise ValueError(
            f"Model '{model.name}' cannot be built for images of shape {shape}: a layer in it fits "
            f"{old_shape} only. {error}"
        ) from error


def _changed(
    model_config: dict[str, Any],
    old: tuple[int, ...],
    new: tuple[int, ...],
    classes: int | None,
    without_windows: bool,
) -> dict[str, Any]:
    """Returns a model's config for other images or classes; see `counterpart`.

    Args:
        model_config: dict, the config of the model, with its layers.
        old: (height, width, channels) of the model's images.
        new: (height, width, channels) of the others.
        classes: see `counterpart`.
        without_windows: see `counterpart`.
    """

    def changed(item: Any) -> Any:
        if isinstance(item, (list, tuple)):
            return type(item)(changed(each) for each in item)
        if not isinstance(item, dict):
            return item
        # Layers are built by being called; their former shapes would build them for the old size.
        item = {key: changed(each) for key, each in item.items() if key != "build_config"}
        config, kind = item.get("config"), item.get("class_name")
        if not isinstance(config, dict):
            return item
        if kind == "InputLayer" and tuple(config["batch_shape"][1:]) == old:
            config["batch_shape"] = (config["batch_shape"][0], *new)
        elif kind in _ON_GRID and config.get("grid"):
            rows, columns = config["grid"]
            config["grid"] = (rows * new[0] // old[0], columns * new[1] // old[1])
        elif kind == "CabViTStage" and without_windows:
            config["window"] = None
        elif classes is not None and config.get("name") == CLASSIFIER and "units" in config:
            config["units"] = classes
        return item

    return changed(model_config)


def image_layer(model: keras.Model) -> ConvolutionalStem | PatchEmbedding | None:
    """Returns the first layer of this library among a model's layers, which reads the images."""
    kinds = ConvolutionalStem, PatchEmbedding
    return next((layer for layer in model.layers if isinstance(layer, kinds)), None)


class OwnSizes(NamedTuple):
    """Sizes of a model, as `StoredSizes` has those of a file.

    Attributes:
        image_size: (height, width) in pixels; with windows, that of an image of one window.
        channels: integer, channels of the images.
        classes: integer, None without the classifier.
    """

    image_size: tuple[int, int]
    channels: int
    classes: int | None


def own_sizes(model: keras.Model) -> OwnSizes | None:
    """Returns the sizes of a model; None if it is not one of this library."""
    # The first dense layer is the one whose classes a file gives: Keras stores layers by class.
    dense = next((layer for layer in model.layers if isinstance(layer, keras.layers.Dense)), None)
    classes = dense.units if dense is not None and dense.name == CLASSIFIER else None
    channels = None
    for layer in model.layers:
        if isinstance(layer, PatchEmbedding):
            rows, columns = layer.token_grid
            size = (layer.patch_size * rows, layer.patch_size * columns)
            return OwnSizes(size, layer.projection.kernel.shape[-2], classes)
        if isinstance(layer, ConvolutionalStem):
            channels = layer.convolution_1.convolution.kernel.shape[-2]
        if isinstance(layer, CabViTStage) and channels is not None:
            rows, columns = layer.blocks[0].attention.token_grid
            size = (TOKEN_PIXELS * rows, TOKEN_PIXELS * columns)
            return OwnSizes(size, channels, classes)
    return None


def size_multiple(model: keras.Model) -> int:
    """Returns the number of pixels that the sides of a model's images are multiples of.

    Args:
        model: a trainable model of this library.

    Raises:
        ValueError: it is another model, or a fused one.
    """
    if any(map(is_inference_form, flatten_layers(model))):
        raise ValueError(
            f"Model '{model.name}' must be a trainable model of this library to be resized, not "
            "fused: resize the one that it was fused from, and fuse that."
        )
    first = image_layer(model)
    if first is not None:
        return first.patch_size if isinstance(first, PatchEmbedding) else _HYBRID_MULTIPLE
    raise ValueError(
        f"Model '{model.name}' must be a trainable model of this library to be resized, not fused: "
        "it has no stem and no patch embedding among its layers."
    )
