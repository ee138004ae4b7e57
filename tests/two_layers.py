"""A model instead of a recipe's, for tests of everything around the model.

TensorFlow and JAX compile it in a fraction of a CabViT's time. It has all kinds of state: weights,
BatchNorm statistics and the seed of stochastic depth. The run adds averages and moments.
"""

import keras

from keras_cabvit.layers import DropPath
from training.recipes import model as recipe_model


def two_layers(input_shape, classes, embed_dim=8, embed_dims=(), drop_path_rate=0, **_):
    """Builds the model, as wide as the recipe says with a single number."""
    if len(embed_dims) == 1:
        (embed_dim,) = embed_dims
    image = keras.Input(input_shape, name="image")
    x = keras.layers.Rescaling(1 / 64, -2)(image)
    # A bias before BatchNorm has no gradient but rounding errors, which AdamW enlarges.
    x = keras.layers.Conv2D(embed_dim, 3, strides=4, use_bias=False, name="stem")(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = DropPath(drop_path_rate, name="drop_path")(x)
    predictions = keras.layers.Dense(classes, activation="softmax", name="predictions")
    return keras.Model(image, predictions(x), name="two_layers")


def replace_models(patch):
    """Makes recipes build two layers, until `patch` is undone.

    Args:
        patch: `pytest.MonkeyPatch`.
    """
    for family in ("hybrid", "plain"):
        patch.setitem(recipe_model._BUILDERS, family, two_layers)
