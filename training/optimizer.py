"""The optimizer of a recipe: AdamW, its schedule, and which parameters decay."""

import keras

from keras_cabvit.layers import PatchEmbedding


def make_optimizer(model, recipe, steps_per_epoch):
    """Returns AdamW with linear warm-up, cosine decay and the authors' decay groups.

    Epsilon is 1e-8, not Keras' 1e-7: gradients behind LayerScale start near 1e-9.

    Args:
        model: that it will train.
        recipe: `Recipe`.
        steps_per_epoch: integer.
    """
    warmup_steps = recipe.warmup_epochs * steps_per_epoch
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=max(1, recipe.epochs * steps_per_epoch - warmup_steps),
        alpha=recipe.final_learning_rate / recipe.learning_rate,
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=recipe.weight_decay, beta_1=0.9, beta_2=0.999, epsilon=1e-8
    )
    optimizer.exclude_from_weight_decay(var_list=variables_without_decay(model))
    return optimizer


def variables_without_decay(model):
    """Returns the trainable variables that weight decay leaves alone, as the authors have it.

    These are all vectors (biases, norms, LayerScale, the class token) and the plain model's
    positions. Position biases, digest biases and digest scale factors do decay.
    """
    positions = [
        layer.patch_positions for layer in model.layers if isinstance(layer, PatchEmbedding)
    ]
    return [variable for variable in model.trainable_variables if len(variable.shape) < 2] + (
        positions
    )
