"""Models and values small enough for tests on every backend."""

import contextlib
import inspect
from pathlib import Path

import keras
import numpy as np

import keras_cabvit


@contextlib.contextmanager
def dtype_policy(name):
    """Applies a dtype policy to everything built in the `with` block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def hybrid(**changes):
    """Builds a hybrid model whose third stage's blocks see 0, 1 and 2 blocks' digest tokens."""
    arguments = {
        "embed_dims": (8, 16, 32, 64),
        "depths": (1, 1, 3, 2),
        "num_heads": (2, 4),
        "input_shape": (64, 64, 3),
        "classes": 5,
    }
    return keras_cabvit.CabViTH(**arguments | changes)


def plain(**changes):
    """Builds a plain model on a 5x5 grid of patches, hence with 2x2 digest tokens per block."""
    arguments = {
        "embed_dim": 24,
        "depth": 3,
        "num_heads": 3,
        "patch_size": 8,
        "input_shape": (40, 40, 3),
        "classes": 5,
    }
    return keras_cabvit.CabViTP(**arguments | changes)


def block(num_heads=2, merge=True, norm_count=2, name="block", **options):
    """Builds a block of a stage.

    Args:
        **options: arguments of the three parts; each part gets those that it accepts.
    """

    def part(layer_class, *args, **kwargs):
        taken = inspect.signature(layer_class.__init__).parameters
        given = {key: value for key, value in options.items() if key in {*taken, "dtype"}}
        return layer_class(*args, **given, **kwargs)

    layers = keras_cabvit.layers
    return layers.CabViTBlock(
        part(layers.CrossBlockAttention, num_heads, name="attention"),
        part(layers.TokenMergeEnhancement, merge, name="merge_enhancement"),
        part(layers.ChannelMixing, norm_count=norm_count, name="channel_mixing"),
        name=name,
    )


def stage(depth, max_digests=12, name="stage", **options):
    """Builds a stage of `depth` blocks, all but the last of which output digest tokens."""
    blocks = [
        block(merge=max_digests > 0 and index < depth - 1, name=f"block_{index}", **options)
        for index in range(depth)
    ]
    return keras_cabvit.layers.CabViTStage(blocks, max_digests, name=name)


def two_blocks(activation="softmax", stem=False, **options):
    """Builds a classifier of 5x3 maps: a ConvNeXt block, and a stage of two blocks on 3x2 tokens.

    It has all layers of a hybrid model except the stem, and is built in a fraction of the time.

    Args:
        stem: whether it has the stem too, for images of 20x12 pixels.
        **options: arguments of the blocks, such as `drop_path_rate`.
    """
    layers = keras_cabvit.layers
    image = x = keras.Input((20, 12, 3) if stem else (5, 3, 8), name="image")
    if stem:
        x = layers.ConvolutionalStem(8, name="stem")(x)
    x = layers.ConvNeXtBlock(layer_scale_init=0.5, name="stage_1_block_0", **options)(x)
    x = layers.PatchMerging(8, name="merging_2")(x)
    x = stage(depth=2, layer_scale_init=0.5, name="stage_2", **options)(x)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return keras.Model(image, keras.layers.Dense(3, activation, name="predictions")(x))


def filled(layer, seed=0):
    """Gives every weight of a layer or model a random value of its own, and returns it.

    The initial values would hide most of the model's effect: LayerScale starts at 1e-6, biases at
    0, scale factors at 1.
    """
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        noise = rng.standard_normal(weight.shape)
        name = weight.path.rsplit("/")[-1]
        if "seed" in name:
            continue
        if name == "moving_variance":
            value = 0.5 + rng.random(weight.shape)
        elif name == "gamma":
            value = 1 + 0.2 * noise
        elif name == "kernel":
            # The fan-in: 9 or 49 for a depthwise kernel (height, width, channels, 1).
            depthwise = len(weight.shape) == 4 and weight.shape[-1] == 1
            inputs = np.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
            value = noise / np.sqrt(inputs)
        else:
            value = 0.5 * noise
        weight.assign(value.astype("float32"))  # JAX would compile a cast for each shape
    return layer


def with_weights_of(source, model):
    """Copies weights from a model with layers of the same names, and returns the recipient."""
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())
    return model


def images(model, batch=2, seed=1):
    """Returns random pixels in [0, 255] for a model."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (batch, *model.input_shape[1:])).astype("float32")


def outputs(model, inputs, training=False):
    """Returns the outputs of a model or layer as numpy arrays; None stays None.

    In training, the state of a layer that has been built may remain as it was.
    """
    if keras.config.backend() == "jax":
        found = _as_one_function(model, inputs, training)
    else:
        found = model(inputs, training=training)
    return keras.tree.map_structure(
        lambda x: None if x is None else keras.ops.convert_to_numpy(x), found
    )


def _as_one_function(model, inputs, training):
    """Calls a model or layer as one function, which JAX compiles in a fifth of the time."""
    import jax

    if isinstance(model, keras.Model) and not training:
        return model.predict_on_batch(inputs)
    if isinstance(model, keras.layers.Layer) and not model.built:
        # Builds it without computing anything.
        model(keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), inputs))
    variables = getattr(model, "variables", [])

    @jax.jit
    def call(values, inputs):
        with keras.StatelessScope(zip(variables, values, strict=True)):
            return model(inputs, training=training)

    return call([variable.value for variable in variables], inputs)


# Minimum signal-to-noise ratio of `trained_hybrid`'s logits in each form of .tflite file, in
# decibels. float16 has 11 bits per weight, as have the position biases of "none"; int8 has 8, for
# weights, also for activations, or for everything.
DECIBELS = {"none": 75, "float16": 55, "int8": 32, "int8-static": 28, "int8-full": 20}
TFLITE_FORMS = tuple(DECIBELS)

LABELS = ["ant", "bee", "cat", "dog", "elk"]


def patterns(channels):
    """Returns five patterns of 4x4 cells, in 0..255."""
    return np.random.default_rng(7).integers(0, 256, (5, 4, 4, channels))


def patterned_images(shape, count, seed=0):
    """Returns noisy images that cycle through the five patterns, uint8 (count, *shape)."""
    height, width, channels = shape
    pixels = patterns(channels).repeat(-(-height // 4), axis=1).repeat(-(-width // 4), axis=2)
    noise = np.random.default_rng(seed).integers(-30, 31, (count, *shape))
    pixels = pixels[np.arange(count) % 5, :height, :width]
    return np.clip(pixels + noise, 0, 255).astype("uint8")


def pattern_classifier(activation="softmax"):
    """Builds a classifier of `patterned_images` at 64x64 that needs no training.

    It is not a model of this library, and takes a fraction of the time to build, export and run:
    for tests of exporting and comparing that hold for any model.
    """
    centres = patterns(3).reshape(5, -1) / 255
    image = keras.Input((64, 64, 3), name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(16)(x))
    predictions = keras.layers.Dense(5, activation=activation, name="predictions")
    model = keras.Model(image, predictions(x), name="patterns")
    # The nearest centre gets the largest score.
    predictions.set_weights([centres.T, -(centres**2).sum(axis=1) / 2])
    return model


def trained_hybrid(**changes):
    """Builds a hybrid model that tells the patterns of `patterned_images` apart.

    The effect of rounding on a model with random weights says little about a trained one. Its
    weights were trained by `train_hybrid.py`.
    """
    model = hybrid(layer_scale_init=0.3, **changes)
    with np.load(Path(__file__).with_name("trained_hybrid.npz")) as file:
        model.set_weights([file[name] for name in file.files])
    return model
