"""The named variants as functions, with the arguments of a `keras.applications` model."""

from keras_cabvit.models.application import DEFAULT_INPUT_SHAPE, check_classifier_activation
from keras_cabvit.models.cabvit_h import CabViTH
from keras_cabvit.models.cabvit_p import CabViTP
from keras_cabvit.models.variants import VARIANTS
from keras_cabvit.weights import imagenet_weights_path, load_weights

_DOCUMENTATION = """Builds {name}, the {family} CabViT{published}.

Args:
    include_top: whether to end in the classifier. Defaults to True.
    weights: None for random values, the default; "imagenet" for those trained on ImageNet-1K; or
        the path of a `.weights.h5` file that a model of the same arguments saved.
    input_tensor: a Keras tensor to use as images in place of a new input.
    input_shape: (height, width, channels), not necessarily square; None means (224, 224, 3). Height
        and width must be multiples of {size_multiple}.
    pooling: what follows the features when `include_top` is False. None leaves them as they are:
        {features}. "avg" and "max" pool them to (batch, channels){pooling}.
    classes: integer, how many classes the classifier tells apart. Defaults to 1000.
    classifier_activation: of the classifier, "softmax" by default; None gives logits.
    include_preprocessing: whether the model takes pixels in [0, 255] and normalises them itself,
        the default, or takes them normalised.
    drop_path_rate: float, stochastic depth of the last block. None, the default, is the variant's
        own, {drop_path_rate}.
    name: string, the model's name. Files and look-ups go by the variant, never by this name.

Returns:
    A `keras.Model`. Its input is (batch, height, width, channels).

Raises:
    ValueError: an argument is wrong or two do not go together; the message says which and what
        would be right.

Example:
    >>> model = keras_cabvit.{name}(input_shape=(64, 64, 3), classes=10)
    >>> model.output_shape
    (None, 10)
"""


def _named_variant(name):
    """Returns the function `name`, which builds that variant."""
    variant = VARIANTS[name]
    family_builder = CabViTH if variant.family == "hybrid" else CabViTP

    def builder(
        include_top=True,
        weights=None,
        input_tensor=None,
        input_shape=None,
        pooling=None,
        classes=1000,
        classifier_activation="softmax",
        include_preprocessing=True,
        drop_path_rate=None,
        name=name,
    ):
        pretrained = weights == "imagenet"
        sizes = dict(variant.arguments)
        if drop_path_rate is not None:
            sizes["drop_path_rate"] = drop_path_rate
        model = family_builder(
            **sizes,
            include_top=include_top,
            weights=None if pretrained else weights,
            input_tensor=input_tensor,
            input_shape=input_shape,
            pooling=pooling,
            classes=classes,
            classifier_activation=classifier_activation,
            include_preprocessing=include_preprocessing,
            name=name,
        )
        if pretrained:
            if include_top:
                check_classifier_activation(classifier_activation, weights)
            _check_fits_imagenet(model, include_top, classes)
            load_weights(model, imagenet_weights_path(variant.name))
        return model

    builder.__name__ = builder.__qualname__ = name
    builder.__doc__ = _documentation(variant)
    return builder


def _documentation(variant):
    published = ""
    if variant.published_name:
        published = f" that its authors call {variant.published_name}"
    hybrid = variant.family == "hybrid"
    return _DOCUMENTATION.format(
        name=variant.name,
        family=variant.family,
        published=published,
        size_multiple="32" if hybrid else "16",
        features="the last feature map" if hybrid else "the normalised tokens, class token first",
        pooling="" if hybrid else '; "token" gives the class token',
        drop_path_rate=variant.arguments["drop_path_rate"],
    )


def _check_fits_imagenet(model, include_top, classes):
    if include_top and classes != 1000:
        raise ValueError(
            '`classes` must be 1000 with weights="imagenet" and include_top=True: the trained '
            "classifier tells ImageNet's 1,000 classes apart. For other classes pass "
            f"include_top=False and add a classifier. Received: classes={classes}"
        )
    shape = model.input_shape[1:]
    if shape != DEFAULT_INPUT_SHAPE:
        raise ValueError(
            '`input_shape` must be (224, 224, 3) with weights="imagenet": position biases were '
            "trained for that size. keras_cabvit.weights.transfer_weights gives those of such a "
            f"model to one of another size. Received: input_shape={shape}"
        )


CabViTH_T = _named_variant("CabViTH_T")
CabViTH_S = _named_variant("CabViTH_S")
CabViTH_B = _named_variant("CabViTH_B")
CabViTH_L = _named_variant("CabViTH_L")
CabViTP_T = _named_variant("CabViTP_T")
CabViTP_S = _named_variant("CabViTP_S")
CabViTP_B = _named_variant("CabViTP_B")


def build_variant(name, **arguments):
    """Builds a variant by its name.

    Args:
        name: from `keras_cabvit.list_models()`.
        **arguments: what the function of that name takes.

    Raises:
        ValueError: there is no such variant.

    Example:
        >>> keras_cabvit.models.build_variant("CabViTH_T", input_shape=(64, 64, 3)).name
        'CabViTH_T'
    """
    if name not in VARIANTS:
        raise ValueError(f"`variant` must be one of {', '.join(VARIANTS)}. Received: {name!r}")
    return globals()[name](**arguments)
