"""The named variants: their sizes as data, and the functions that build them."""

from dataclasses import dataclass, field
from typing import Any

from keras_cabvit.layers.numpy_arguments import accepts_numpy
from keras_cabvit.models.application import check_classifier_activation
from keras_cabvit.models.cabvit_h import CabViTH
from keras_cabvit.models.cabvit_p import CabViTP
from keras_cabvit.weights import PRETRAINED, load_weights, read_stored_sizes


@dataclass(frozen=True)
class Variant:
    """One named configuration of a family.

    Attributes:
        name: name in the library; files and look-ups use it.
        family: "hybrid" or "plain".
        arguments: arguments of the family's builder.
        published_name: the authors' names, in the 2022 code and the 2023 paper.
    """

    name: str
    family: str
    arguments: dict[str, Any] = field(repr=False)
    published_name: str | None = None

    @accepts_numpy
    def build(self, weights=None, classes=None, drop_path_rate=None, name=None, **arguments):
        """Builds the model.

        Args:
            weights: None, "imagenet", "tiny_imagenet", or the path of a `.weights.h5` or `.keras`
                file.
            classes: integer, the number of classes; None is that of the weights with a name of
                their own, otherwise 1000.
            drop_path_rate: float, stochastic depth rate of the last block; None is the variant's
                own.
            name: string, the model's name; None is the variant's.
            **arguments: the other arguments of the named functions.

        Returns:
            A `keras.Model`.

        Raises:
            ValueError: an argument is wrong or two are incompatible; the message names it and says
                what would be right.
        """
        pretrained = PRETRAINED.get(weights) if isinstance(weights, str) else None
        if pretrained is None:
            classes = 1000 if classes is None else classes
            return self._model(weights, classes, drop_path_rate, name, **arguments)
        if classes is None:
            classes = pretrained.classes
        self._check_fits(weights, classes, **arguments)
        if arguments.get("input_shape") is None and arguments.get("input_tensor") is None:
            arguments["input_shape"] = (*pretrained.image_size, 3)
        if arguments.get("windowed") is True:
            arguments["windowed"] = pretrained.image_size[0]
        model = self._model(None, classes, drop_path_rate, name, **arguments)
        load_weights(model, pretrained.path(self.name))
        return model

    def _model(self, weights, classes, drop_path_rate=None, name=None, **arguments):
        builder = CabViTH if self.family == "hybrid" else CabViTP
        sizes = dict(self.arguments)
        if drop_path_rate is not None:
            sizes["drop_path_rate"] = drop_path_rate
        return builder(
            **sizes, weights=weights, classes=classes, name=name or self.name, **arguments
        )

    def _check_fits(self, weights, classes, include_top=True, classifier_activation="softmax", **_):
        """Raises a ValueError if the arguments do not fit the weights of this name."""
        trained = PRETRAINED[weights].classes
        if include_top:
            check_classifier_activation(classifier_activation, weights)
            if classes != trained:
                raise ValueError(
                    f'`classes` must be {trained} with weights="{weights}" and include_top=True: '
                    f"the trained classifier has {trained:,} classes. For other classes pass "
                    f"include_top=False and add a classifier. Received: classes={classes}"
                )


def _hybrid(name, widths, depths, heads, drop_path_rate, published_name):
    arguments = {
        "embed_dims": widths,
        "depths": depths,
        "num_heads": heads,
        "drop_path_rate": drop_path_rate,
    }
    return Variant(name, "hybrid", arguments, published_name)


def _plain(name, width, heads, drop_path_rate, published_name=None):
    arguments = {
        "embed_dim": width,
        "depth": 12,
        "num_heads": heads,
        "drop_path_rate": drop_path_rate,
    }
    return Variant(name, "plain", arguments, published_name)


VARIANTS = {
    variant.name: variant
    for variant in (
        _hybrid(
            "CabViTH_T", (64, 128, 192, 320), (2, 2, 6, 2), (6, 10), 0.0,
            "cabvit_h_l1; FcaFormer-L1 (Micro)",
        ),
        _hybrid(
            "CabViTH_S", (96, 192, 320, 480), (2, 2, 7, 2), (10, 15), 0.1,
            "cabvit_h_l2; FcaFormer-L2 (Tiny)",
        ),
        _hybrid(
            "CabViTH_B", (96, 192, 320, 512), (3, 6, 12, 3), (10, 16), 0.2,
            "cabvit_h_l3; FcaFormer-L3 (Small)",
        ),
        _hybrid(
            "CabViTH_L", (128, 256, 512, 768), (3, 6, 12, 3), (16, 24), 0.4,
            "FcaFormer-L4 (Base)",
        ),
        _plain("CabViTP_T", 192, 3, 0.0, "cabvit_p_l0; FcaFormer-L0"),
        _plain("CabViTP_S", 384, 6, 0.1),
        _plain("CabViTP_B", 768, 12, 0.1),
    )
}  # fmt: skip


def list_models():
    """Returns the names of the variants, which are also their functions' names in `keras_cabvit`.

    Example:
        >>> keras_cabvit.list_models()[0]
        'CabViTH_T'
    """
    return list(VARIANTS)


def build_variant(name, **arguments):
    """Builds a variant by name.

    Args:
        name: string, one of `keras_cabvit.list_models()`.
        **arguments: arguments of the function of that name.

    Raises:
        ValueError: there is no such variant.

    Example:
        >>> keras_cabvit.models.build_variant("CabViTH_T", input_shape=(64, 64, 3)).name
        'CabViTH_T'
    """
    if name not in VARIANTS:
        raise ValueError(f"`variant` must be one of {', '.join(VARIANTS)}. Received: {name!r}")
    return VARIANTS[name].build(**arguments)


def variant_of(path):
    """Finds the variant that a weights file belongs to.

    Args:
        path: path of a `.weights.h5` or `.keras` file.

    Returns:
        The variant's name, and the `StoredSizes` of the file; None instead of the name if the
        model is no variant.

    Raises:
        ValueError: the file is damaged, or holds no model of this library.
    """
    stored = read_stored_sizes(path)
    for variant in VARIANTS.values():
        if (
            variant.family == stored.family
            and stored.arguments.items() <= variant.arguments.items()
        ):
            return variant.name, stored
    return None, stored


_DOCUMENTATION = """Builds {name}, the {family} CabViT{published}.

Args:
    include_top: whether to end in the classifier. Defaults to True.
    weights: None for random values, the default; "imagenet" for those trained on ImageNet-1K;
        {weights}or the path of a `.weights.h5` or `.keras` file saved by a model with the same
        arguments. Weights of another image size are resampled. With other `classes` than a file's
        the classifier is left out, and with other channels than 3 the first kernel is adapted; a
        warning says so.
    input_tensor: a Keras tensor to use as images instead of a new input.
    input_shape: (height, width, channels), not necessarily square; None means (224, 224, 3), or the
        size that `weights` with a name were trained at. Height and width must be multiples of
        {size_multiple}.{any_size} Other channels than 3 need include_preprocessing=False.
    pooling: pooling of the features if `include_top` is False. None returns
        {features}. "avg" and "max" pool
        {pooled} to (batch, channels){pooling}.
    classes: integer, the number of classes. None, the default, means 1000, or those of `weights`
        with a name.
    classifier_activation: activation of the classifier, "softmax" by default; None gives logits.
    include_preprocessing: whether the model takes pixels in [0, 255] and normalises them itself.
        Defaults to True; False takes normalised pixels: (x / 255 - 0.449) / 0.226 of grey images.
    drop_path_rate: float, stochastic depth rate of the last block. None, the default, is the
        variant's own, {drop_path_rate}.
    name: string, the model's name. Files and look-ups use the variant's name, never this one.
    windowed: {windowed}

Returns:
    A `keras.Model`. Its input is (batch, height, width, channels).

Raises:
    ValueError: an argument is wrong or two are incompatible; the message names it and says what
        would be right.

Example:
    >>> model = keras_cabvit.{name}(input_shape=(64, 64, 3), classes=10)
    >>> model.output_shape
    (None, 10)
"""

_WINDOWED = """whether the attention, digest tokens and convolutions of the last two stages stay
        inside windows, as in the authors' code for dense prediction. A window is the token grid
        that `weights` were trained on, without weights that of 224x224 images; an integer is the
        side of other square images in pixels. Defaults to False."""
_ANY_SIZE = " With `windowed` they may be\n        None, for images of any size."
_NOT_WINDOWED = "only hybrid models can be windowed; anything but False, the default, is refused."


def _named_variant(name):
    """Returns the function `name`, with the arguments of a `keras.applications` model."""
    variant = VARIANTS[name]

    def builder(
        include_top=True,
        weights=None,
        input_tensor=None,
        input_shape=None,
        pooling=None,
        classes=None,
        classifier_activation="softmax",
        include_preprocessing=True,
        drop_path_rate=None,
        name=name,
        windowed=False,
    ):
        return variant.build(
            include_top=include_top,
            weights=weights,
            input_tensor=input_tensor,
            input_shape=input_shape,
            pooling=pooling,
            classes=classes,
            classifier_activation=classifier_activation,
            include_preprocessing=include_preprocessing,
            drop_path_rate=drop_path_rate,
            name=name,
            windowed=windowed,
        )

    builder.__name__ = builder.__qualname__ = name
    builder.__doc__ = _documentation(variant)
    return builder


def _documentation(variant):
    published = f" that its authors call {variant.published_name}" if variant.published_name else ""
    hybrid = variant.family == "hybrid"
    return _DOCUMENTATION.format(
        name=variant.name,
        family=variant.family,
        published=published,
        weights=(
            '"tiny_imagenet" for those trained on 200 classes of photographs at 64x64, which\n'
            "        the package contains; "
            if variant.name == "CabViTH_T"
            else ""
        ),
        size_multiple="32" if hybrid else "16",
        features="the last feature map" if hybrid else "the normalised tokens, class token first",
        pooled="it" if hybrid else "the patch tokens",
        pooling="" if hybrid else '; "token" gives the class token',
        drop_path_rate=variant.arguments["drop_path_rate"],
        any_size=_ANY_SIZE if hybrid else "",
        windowed=_WINDOWED if hybrid else _NOT_WINDOWED,
    )


CabViTH_T = _named_variant("CabViTH_T")
CabViTH_S = _named_variant("CabViTH_S")
CabViTH_B = _named_variant("CabViTH_B")
CabViTH_L = _named_variant("CabViTH_L")
CabViTP_T = _named_variant("CabViTP_T")
CabViTP_S = _named_variant("CabViTP_S")
CabViTP_B = _named_variant("CabViTP_B")
