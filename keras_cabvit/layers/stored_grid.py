"""Weights on a token grid, and a clear error where Keras would load those of another grid."""

import keras

# The axes of rows and columns in each weight with one value per position or offset of the grid.
GRID_AXES = {
    "position_bias": (1, 2),
    "digest_scale": (1, 2),
    "digest_bias": (2, 3),
    "patch_positions": (0, 1),
}


class StoredGrid(keras.layers.Layer):
    """Base of layers with weights on a token grid, which belong to one image size.

    Keras loads weights as they are stored. Where the file's belong to another grid, loading raises
    a ValueError with the call that resamples them; the layer is unchanged.

    A subclass has the property `token_grid`, height and width in tokens of the grid that it was
    built for.
    """

    def load_own_variables(self, store):
        """Loads the layer's own weights, as Keras does, if they belong to the layer's grid."""
        own = self._trainable_variables + self._non_trainable_variables  # Keras' order of storing
        for index, weight in enumerate(own):
            if str(index) in store.keys() and weight.name in GRID_AXES:  # noqa: SIM118
                self._check_grid(weight, tuple(store[str(index)].shape))
        super().load_own_variables(store)

    def _check_grid(self, weight, stored):
        axes, shape = GRID_AXES[weight.name], tuple(weight.shape)
        others = [axis for axis in range(len(shape)) if axis not in axes]
        if len(stored) != len(shape) or [stored[axis] for axis in others] != [
            shape[axis] for axis in others
        ]:
            return  # of another model, which Keras will say
        if stored != shape:
            old, new = ("x".join(str(sizes[axis]) for axis in axes) for sizes in (stored, shape))
            raise ValueError(
                f"`{weight.name}` of layer '{self.name}' was saved on a grid of {old} for another "
                f"image size, and has a grid of {new} here. Keras loads weights only as they are "
                "stored; keras_cabvit.weights.load_weights(model, path) resamples them to the "
                "size of the model."
            )
