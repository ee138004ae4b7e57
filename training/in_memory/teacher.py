"""Distillation: a trained model whose probabilities are the targets of another."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import keras


@dataclass(frozen=True)
class Teacher:
    """A trained model that sees the augmented, mixed images of its student.

    "Knowledge distillation: A good teacher is patient and consistent" (Beyer et al., 2022): teacher
    and student see the same pixels, through many epochs.

    Attributes:
        model: from pixels to probabilities of the same classes, of any image size; images are
            resized to it.
        share: weight of its probabilities in the targets; the labels have the rest.
    """

    model: keras.Model
    share: float

    def values(self) -> tuple[list, list]:
        """Returns the values of the trainable and of the other variables."""
        return (
            [variable.value for variable in self.model.trainable_variables],
            [variable.value for variable in self.model.non_trainable_variables],
        )

    def targets(
        self, values: tuple[list, list], images: jax.Array, targets: jax.Array
    ) -> jax.Array:
        """Returns the targets of a batch, float32 (batch, classes), whose rows add up to 1.

        Args:
            values: what `values` returns.
            images: float32 array (batch, height, width, 3), pixels in [0, 255].
            targets: float32 array (batch, classes), the targets by label.
        """
        images = resized(images, self.model.input_shape[1:3])
        scores, _ = self.model.stateless_call(*values, images, training=False)
        scores = jax.lax.stop_gradient(scores.astype("float32"))
        return targets * (1 - self.share) + scores * self.share


def resized(images: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Returns float32 images resized bilinearly, smoothed before they are reduced."""
    if images.shape[1:3] == tuple(size):
        return images
    return jax.image.resize(
        images, (images.shape[0], *size, images.shape[3]), "bilinear", antialias=True
    ).astype(jnp.float32)
