"""Starting a model from the weights of another."""

import contextlib
import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_cabvit.data.class_names import ClassMatch, match_classes
from keras_cabvit.data.labels import LABELS, read_labels
from keras_cabvit.models.variants import VARIANTS, build_variant, variant_of
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.class_names import names_of_model
from keras_cabvit.weights import (
    PRETRAINED,
    describe_hdf5,
    load_weights,
    read_stored_sizes,
    tiny_imagenet_wordnet_ids,
    transfer_weights,
)
from training.recipes.model import build_model
from training.recipes.recipe import ModelOptions

_CLASSIFIER = "predictions"


def initial_weights_file(options: ModelOptions) -> Path | None:
    """Returns the path of the initial weights; None without any, or for those with a name.

    Args:
        options: `ModelOptions`.

    Raises:
        ValueError: there is no such file, or the variant has no weights of that name.
    """
    chosen = options.initial_weights
    if chosen in PRETRAINED and options.variant not in VARIANTS:
        raise ValueError(
            f'`initial_weights="{chosen}"` needs one of the variants {", ".join(VARIANTS)}. '
            f"Received: variant={options.variant!r}"
        )
    if chosen is None or chosen in PRETRAINED:
        return None
    path = local_path(chosen, "initial_weights")
    if not path.is_file():
        raise ValueError(
            f"`initial_weights` must be one of {', '.join(PRETRAINED)}, or a .weights.h5 or .keras "
            f"file, and there is no such file. Received: initial_weights={str(chosen)!r}"
        )
    return path


def start_from_weights(
    model: keras.Model, options: ModelOptions, class_names: Sequence[str] | None = None
) -> str:
    """Copies the initial weights that the options name into a model of any image size.

    The classifier is copied class by class, by name, if the weights are known to have been trained
    on all classes of the model; or as it is if `options.initial_classifier` says so.

    Args:
        model: model that was built from `options`.
        options: `ModelOptions` with `initial_weights`.
        class_names: names of the model's classes; None if they are unknown.

    Returns:
        Sentences that say what was copied, and the terms of weights with a name.

    Raises:
        ValueError: there are no such weights, or they belong to another model. `model` is
            unchanged.
    """
    path = initial_weights_file(options)
    if path is None:
        source = build_variant(options.variant, weights=options.initial_weights)
        names = tiny_imagenet_wordnet_ids() if options.initial_weights == "tiny_imagenet" else None
    else:
        source, names = stored_model(path, options, "initial_weights"), stored_names(path)
    name = str(options.initial_weights)
    match = _matched_classifier(model, source, options, names, class_names)
    try:
        transfer_weights(model, source, classifier=False)
    except ValueError as error:
        raise ValueError(f"`initial_weights`: {_misfit(path, options)} {error}") from error
    if match is not None:
        values = source.get_layer(_CLASSIFIER).get_weights()
        model.get_layer(_CLASSIFIER).set_weights(
            [value[..., list(match.positions)] for value in values]
        )
    said = _sentences(name, source, model, match)
    terms = PRETRAINED[name].notice if name in PRETRAINED else ""
    return f"{said}\n{terms}" if terms else said


def stored_model(path: Path, options: ModelOptions, argument: str) -> keras.Model:
    """Returns the model of a file, at the image size and with the classes that it was saved with.

    A `.weights.h5` file holds no model: it is built from the options, at the stored size.

    Args:
        path: path of a `.keras` or `.weights.h5` file.
        options: `ModelOptions` of the model whose weights a `.weights.h5` file holds.
        argument: name of the argument that gave the path, for error messages.

    Raises:
        ValueError: the file is damaged, or does not fit the options.
    """
    if path.name.endswith(".weights.h5"):
        try:
            sizes = read_stored_sizes(path)
        except ValueError as error:
            raise ValueError(f"`{argument}`: {describe_hdf5(path) or error}") from error
        options = dataclasses.replace(
            options, image_size=sizes.image_size, image_sizes=None, drop_path_rate=None
        )
        model = build_model(options, sizes.classes or 1)
        if sizes.classes is None:
            model = keras.Model(model.input, model.get_layer("head_norm").output)
        try:
            with warnings.catch_warnings():
                # Keras warns of every layer that does not fit, and then raises.
                warnings.filterwarnings("ignore", category=UserWarning, module=r"keras\.")
                load_weights(model, path)
        except ValueError as error:
            raise ValueError(f"`{argument}`: {_misfit(path, options)} {error}") from error
        return model
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # the errors of a damaged file have no common class
        found = describe_hdf5(path) or f"{path} is not a Keras model. {error}"
        raise ValueError(f"`{argument}`: {found}") from error


def stored_variant(path: Path) -> str | None:
    """Returns the named variant whose weights a file holds; None for others and damaged files."""
    with contextlib.suppress(ValueError):
        return variant_of(path)[0]
    return None


def stored_names(path: Path) -> list[str] | None:
    """Returns the class names in or beside a `.keras` or `.weights.h5` file, or None."""
    if path.suffix == ".keras":
        return names_of_model(path)
    labels = path.with_name(LABELS)
    return read_labels(labels, None) if labels.is_file() else None


def _matched_classifier(
    model: keras.Model,
    source: keras.Model,
    options: ModelOptions,
    names: Sequence[str] | None,
    class_names: Sequence[str] | None,
) -> ClassMatch | None:
    """Returns the places of the model's classes in the source's classifier; None for a new one."""
    heads = [layer for layer in source.layers if layer.name == _CLASSIFIER]
    if options.initial_classifier:
        classes, own = (each.output_shape[-1] for each in (source, model))
        if not heads or classes != own:
            raise ValueError(
                "`initial_classifier=True` needs weights with a classifier of the model's "
                f"{own} classes. Received: {f'{classes} classes' if heads else 'none'}"
            )
        return ClassMatch(tuple(range(own)), ())
    if options.initial_classifier is False or not heads or names is None or class_names is None:
        return None
    if len(names) != getattr(heads[0], "units", None):
        return None  # labels of another file, or a last layer of the user's own
    try:
        return match_classes(names, class_names, model="the initial weights", data="the data")
    except ValueError:
        return None  # other classes


def _misfit(path: Path | None, options: ModelOptions) -> str:
    """Returns a sentence on weights that belong to another model."""
    stored = None if path is None else stored_variant(path)
    if stored is None or stored == options.variant:
        return f"{options.initial_weights} does not fit this variant."
    return (
        f"{path} holds weights of {stored}, and the model is {options.variant}: give "
        f"--model.variant {stored}."
    )


def _sentences(name: str, source: keras.Model, model: keras.Model, match: ClassMatch | None) -> str:
    height, width = source.input_shape[1:3]
    text = f"Starting from the weights {name} ({width}x{height}): all layers"
    if (height, width) != tuple(model.input_shape[1:3]):
        text += f", resampled to {model.input_shape[2]}x{model.input_shape[1]}"
    if match is None:
        return f"{text}. The classifier is new."
    return " ".join([f"{text}, with the classifier.", *match.notes])
