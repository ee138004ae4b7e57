"""The inference form of `ChannelMixing`."""

import keras

from keras_cabvit.inference.adapted_layers import exact_kernel
from keras_cabvit.inference.folding import assign_product, exact, folded_after, folded_before
from keras_cabvit.layers.composite import Composite
from keras_cabvit.ops import mlp


@keras.saving.register_keras_serializable(package="keras_cabvit")
class FusedChannelMixing(Composite):
    """LayerNorm, Dense, exact GELU, Dense, and the residual.

    The last LayerNorm's scale and shift are folded into the first dense layer, the LayerScale
    factors into the second.

    Args:
        norms: list of normalisations, the last one without scale and shift.
        expand: `keras.layers.Dense` to the hidden channels.
        project: `keras.layers.Dense` from the hidden channels.
        **kwargs: `name` and the like, for `keras.layers.Layer`.

    Call arguments:
        inputs: a tensor (..., channels).
        residual: a tensor of the inputs' shape to which the branch is added, or None, the default.

    Output: a tensor of the inputs' shape: the branch, or its sum with `residual`.
    """

    part_names = ("norms", "expand", "project")
    list_parts = ("norms",)

    def __init__(self, norms, expand, project, **kwargs):
        super().__init__({"norms": norms, "expand": expand, "project": project}, **kwargs)

    @classmethod
    def from_trained(cls, layer, forms):
        """Creates the inference form of a `ChannelMixing`, without weights yet.

        Args:
            layer: `ChannelMixing`.
            forms: `fusing.Forms`, which makes the parts.
        """
        *norms, last = layer.norms
        bare = keras.layers.LayerNormalization(
            epsilon=last.epsilon, center=False, scale=False, name=last.name, dtype=last.dtype_policy
        )
        return cls(
            [forms(norm) for norm in (*norms, bare)],
            forms.product(layer.expand),
            forms.product(layer.project),
            **forms.options(layer),
        )

    def fold(self, layer):
        """Copies the trainable layer's weights, folded."""
        kernel, bias = exact_kernel(layer.expand), exact(layer.expand.bias)
        last = layer.norms[-1]
        assign_product(
            self.expand, *folded_before(kernel, bias, exact(last.gamma), exact(last.beta))
        )
        kernel, bias = exact_kernel(layer.project), exact(layer.project.bias)
        if layer.layer_scale is not None:
            kernel, bias = folded_after(kernel, bias, exact(layer.layer_scale.gamma))
        assign_product(self.project, kernel, bias)

    def build(self, inputs_shape, residual_shape=None):
        """Creates the weights for inputs (..., channels)."""
        for norm in self.norms:
            norm.build(inputs_shape)
        self.expand.build(inputs_shape)
        self.project.build((*inputs_shape[:-1], self.expand.units))

    def call(self, inputs, residual=None):
        """Returns the branch, or its sum with the residual."""
        return mlp(self.expand, self.project, self.normalized(inputs), residual)

    def normalized(self, x):
        """Returns a tensor after the norms, in its shape."""
        for norm in self.norms:
            x = norm(x)
        return x

    def compute_output_shape(self, inputs_shape, residual_shape=None):
        """Returns the inputs' shape."""
        return inputs_shape
